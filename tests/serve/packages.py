"""Invented packages, an index that has them and lines of lock files that pin them."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

# A build back end that can do one thing; the newer one, tomorrow's, can do nothing at all.
BACK_END = '''
import shutil

def build_wheel(directory, config_settings=None, metadata_directory=None):
    """Return the name of the wheel that lies ready in the sources."""
    name = next(__import__("pathlib").Path().glob("*.whl")).name
    shutil.copy(name, directory)
    return name
'''


def wheel(folder: Path, name: str, version: str, *requires: str, code: str = "") -> Path:
    """Make a release with a module of that name. A version such as 1.0-2 has a build number: pip takes the highest."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    version = version.partition("-")[0]
    metadata = [f"Name: {name}", f"Version: {version}", "Provides-Extra: toml"]
    metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
    with zipfile.ZipFile(path, "w") as file:
        info = f"{name}-{version}.dist-info"
        file.writestr(f"{name}.py", code)
        file.writestr(f"{info}/METADATA", "\n".join(["Metadata-Version: 2.1", *metadata, ""]))
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


def source(folder: Path, built: Path, back_end: str) -> Path:
    """Make a release that comes as source only: its back end builds that wheel."""
    name, version = built.name.split("-")[:2]
    path = folder / f"{name}-{version}.tar.gz"
    files = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        "pyproject.toml": f'[build-system]\nrequires = ["{back_end}"]\nbuild-backend = "{back_end}"\n'.encode(),
        built.name: built.read_bytes(),
    }
    with tarfile.open(path, "w:gz") as tar:
        for file, content in files.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{file}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def index_of(folder: Path) -> Path:
    """Return a page that names the folder's releases with their hashes, as an index does."""
    page = folder / "index.html"
    releases = [path for path in sorted(folder.iterdir()) if path != page]
    page.write_text("".join(f'<a href="{path.name}#sha256={sha256(path)}">{path.name}</a>\n' for path in releases))
    return page


def pin(release: Path) -> str:
    """Return a lock file's line for a wheel or a source archive."""
    name, version = release.name.removesuffix(".tar.gz").split("-")[:2]
    return f"{name}=={version} --hash=sha256:{sha256(release)}\n"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
