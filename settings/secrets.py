"""Settings that are or may hold a password: read from a file, too, and shown in part or not at all."""

import re
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.engine import make_url

from settings import ROOT
from settings.problems import BadSetting, RefusedError

# All that ends in _TOKEN is shown to nobody.
SECRETS = ("DATABASE_URL", "DATABASE_READ_URL", "OPS_TOKEN", "API_TOKEN")


def put_secrets_in(values: dict[str, str]) -> Iterator[BadSetting]:
    """Replace each NAME_FILE by NAME with the content of that file."""
    for name in SECRETS:
        path = values.pop(f"{name}_FILE", None)
        if path is None:
            continue
        try:
            if name in values:
                raise RefusedError(f"is given, and {name} too", "remove one of the two")
            values[name] = read_secret(name, ROOT / path)
        except RefusedError as error:
            values.pop(name, None)
            yield BadSetting(f"{name}_FILE", without_password(path), error.reason, error.remedy)


def read_secret(name: str, path: Path) -> str:
    """Return what a file has for the setting of that name; raise `RefusedError`."""
    remedy = f"name a readable file with nothing but the value of {name}"
    try:
        value = path.read_text(encoding="utf-8-sig").rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = f"cannot be read: {getattr(error, 'strerror', None) or 'it is not text'}"
        raise RefusedError(reason, remedy) from None
    if not value.strip():
        raise RefusedError("is an empty file", remedy)
    return value


def shown_setting(name: str, value: str) -> str:
    """Return the value of a setting as it may be shown."""
    # What stands where a URL should may be the password itself.
    is_secret = name.endswith("_TOKEN") or (name in SECRETS and "://" not in value)
    return "***" if is_secret else without_password(value)


def without_password(value: str) -> str:
    """Return a value as it may be shown: of what could be a URL only what cannot hold a password."""
    if ("@" not in value and "://" not in value) or re.fullmatch(r"sqlite[^@]*", value):
        return repr(value if len(value) <= 80 else f"{value[:79]}…")
    try:
        url = make_url(value)
        if url.password and value.count("@") == 1 and "@" not in f"{url.host}{url.database}":
            return url.set(query={}).render_as_string()
    except Exception:  # noqa: S110 -- whatever is wrong with it, it is not shown
        pass
    scheme = re.match(r"[A-Za-z0-9+]+://", value)
    return f"{scheme[0] if scheme else ''}***"
