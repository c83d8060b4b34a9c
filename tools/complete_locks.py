"""`python tools/complete_locks.py`: finds what a locked package wants and its lock file does not pin.

pip installs the locks without a resolver, so nothing else would notice. What a package wants is read where it is
installed: one that is only for other systems or Pythons is named as not read, and there uv's own word has to do, which
`./run check` asks for as well. A wheel for another system might also want something else than ours.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS = {
    "Linux": ("linux", "Linux", "posix", "x86_64"),
    "Linux on ARM": ("linux", "Linux", "posix", "aarch64"),
    "macOS": ("darwin", "Darwin", "posix", "arm64"),
    "Windows": ("win32", "Windows", "nt", "AMD64"),
}

Environment = dict[str, str]


@dataclass(frozen=True)
class Pin:
    """One line of a lock file."""

    lock: str
    name: str
    version: str
    line: Requirement


@dataclass(frozen=True)
class Want:
    """Who wants what."""

    who: str
    what: Requirement

    def __str__(self) -> str:
        extras = f"[{','.join(sorted(self.what.extras))}]" if self.what.extras else ""
        return f"{self.who} wants {self.what.name}{extras}{self.what.specifier}"


@dataclass(frozen=True)
class Package:
    """What a release says of itself."""

    wants: tuple[Requirement, ...] = ()
    extras: frozenset[str] = frozenset()
    pythons: SpecifierSet = field(default_factory=SpecifierSet)


Reader = Callable[[str, str], Package | None]
"""From a name and a version to what that release says of itself, None if it is not at hand."""


def environments() -> dict[str, Environment]:
    """Return all that the locks are for, by a name to say."""
    ours = {name: str(value) for name, value in default_environment().items()}
    names = ("sys_platform", "platform_system", "os_name", "platform_machine")
    return {
        f"Python {python}.{patch}, {system}": {
            **ours,
            **dict(zip(names, values, strict=True)),
            "python_version": python,
            "python_full_version": f"{python}.{patch}",
            "implementation_name": "cpython",
            "implementation_version": f"{python}.{patch}",
            "platform_python_implementation": "CPython",
        }
        for python in PYTHONS
        for patch in (0, 99)  # the first release and the last: some want a thing up to or from one between
        for system, values in SYSTEMS.items()
    }


def applies(requirement: Requirement, where: Environment, extra: str = "") -> bool:
    """Say whether that is wanted there, of a package taken with that extra."""
    return requirement.marker is None or requirement.marker.evaluate({**where, "extra": extra})


def holes(wanted: Iterable[Want], pins: Iterable[Pin], read: Reader, where: Environment) -> Iterator[str]:
    """Yield a sentence for each thing that is wanted there and not pinned, or pinned at what will not do."""
    here = {pin.name: pin for pin in pins if applies(pin.line, where)}
    todo = [want for want in wanted if applies(want.what, where)]
    todo += [Want(pin.lock, pin.line) for pin in here.values()]
    done = set()
    while todo:
        want = todo.pop()
        pin = here.get(canonicalize_name(want.what.name))
        if pin is None:
            yield f"{want}, which no lock pins"
            continue
        extras = {canonicalize_name(extra) for extra in want.what.extras}
        package = read(pin.name, pin.version) or Package(extras=frozenset(extras))
        yield from unfit(want, pin, package, where)
        for extra in {"", *extras}:
            if (pin.name, extra) not in done:
                done.add((pin.name, extra))
                more = (what for what in package.wants if applies(what, where, extra))
                todo += [Want(f"{pin.name} {pin.version}", what) for what in more]


def unfit(want: Want, pin: Pin, package: Package, where: Environment) -> Iterator[str]:
    """Yield why what is pinned will not do."""
    if not want.what.specifier.contains(pin.version, prereleases=True):
        yield f"{want}, but {pin.lock} pins {pin.version}"
    for extra in {canonicalize_name(extra) for extra in want.what.extras} - package.extras:
        yield f"{want}, but {pin.name} {pin.version} has no extra {extra}"
    if not package.pythons.contains(where["python_full_version"]):
        yield f"{pin.name} {pin.version} wants Python {package.pythons}"


def disagreements(pins: Iterable[Pin], where: Environment) -> Iterator[str]:
    """Yield a sentence for each package of which two locks pin different versions: they share one environment."""
    first: dict[str, Pin] = {}
    for pin in pins:
        if applies(pin.line, where) and first.setdefault(pin.name, pin).version != pin.version:
            other = first[pin.name]
            yield f"{other.lock} pins {pin.name} {other.version}, {pin.lock} pins {pin.version}"


@cache
def installed(name: str, version: str) -> Package | None:
    """Return what that release says of itself, if it is the one that is installed here."""
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    if found.version != version:
        return None
    return Package(
        tuple(map(Requirement, found.requires or ())),
        frozenset(map(canonicalize_name, found.metadata.get_all("Provides-Extra") or ())),
        SpecifierSet(",".join(found.metadata.get_all("Requires-Python") or ())),
    )


def inputs_of(path: Path) -> list[Want]:
    """Return what an input file asks for."""
    lines = (line.partition(" #")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [Want(path.name, Requirement(line)) for line in lines if line and line[0] not in "#-"]


def pins_of(path: Path) -> list[Pin]:
    """Return what a lock file pins."""
    pins = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line[:1].isalnum():
            pinned = Requirement(line.partition(" --hash")[0].rstrip(" \\"))
            (specifier,) = pinned.specifier
            pins.append(Pin(path.name, canonicalize_name(pinned.name), specifier.version, pinned))
    return pins


def main() -> int:
    """Say what is missing, and what could not be read."""
    inputs = sorted(ROOT.glob("requirements*.in"))
    locks = {path: pins_of(path.with_suffix(".txt")) for path in inputs}
    every_pin = [pin for pins in locks.values() for pin in pins]
    found: dict[str, list[str]] = defaultdict(list)
    every_where = environments()
    for name, where in every_where.items():
        sentences = set(disagreements(every_pin, where))
        for path, pins in locks.items():
            # ./run gives pip the application's lock beside each other one.
            sentences |= set(holes(inputs_of(path), [*locks[ROOT / "requirements.in"], *pins], installed, where))
        for sentence in sentences:
            found[sentence].append(name)
    for sentence, names in sorted(found.items()):
        print(sentence if len(names) == len(every_where) else f"{sentence} (on {'; '.join(names)})", file=sys.stderr)
    unread = sorted({f"{pin.name} {pin.version}" for pin in every_pin if not installed(pin.name, pin.version)})
    if unread:
        print(f"Not installed here, so what they want was not read: {', '.join(unread)}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
