"""The address of a database: its driver spelt out, its file made absolute, and what it may say."""

from typing import Annotated

from pydantic import BeforeValidator, InstanceOf, PlainSerializer
from sqlalchemy.engine import URL, make_url

from settings import ROOT
from settings.drivers import with_driver
from settings.problems import RefusedError
from settings.url_options import INSTEAD, check_options

# What a URL may say of TLS, for psycopg: whether and whom to trust is DATABASE_TLS's, whose arguments would win without
# a word.
BESIDE_DATABASE_TLS = (
    *("sslcert", "sslkey", "sslcertmode", "sslcrl", "sslcrldir", "sslsni"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
)


def parse_database_url(value: object) -> URL:
    """Return the URL with its driver spelt out and a SQLite path made absolute; raise `RefusedError`."""
    try:
        url = value if isinstance(value, URL) else make_url(str(value).strip())
    except Exception:  # its text may repeat the password
        raise RefusedError(
            "is not a database URL",
            "write mysql://user:password@host:3306/database, with @ : / ? # % in it as %40 %3A %2F %3F %23 %25",
        ) from None
    url = with_driver(url)
    if url.get_backend_name() == "sqlite":
        return _sqlite_file(url)
    _check_server(url)
    return url


def _sqlite_file(url: URL) -> URL:
    name = url.database or ""
    if not name or ":memory:" in name or url.query.get("mode") == "memory":
        raise RefusedError(
            "is a database in memory, which each connection would have for itself",
            "name a file: sqlite:///file with three slashes, sqlite:////folder/file with four from the root",
        )
    if url.host or url.username:
        raise RefusedError("names a host", "write sqlite:///file with three slashes, sqlite:////folder/file with four")
    if name.startswith("file:"):
        raise RefusedError("is a file: name", "write the path alone: sqlite:////folder/file, with ?mode=ro if need be")
    path = ROOT / name
    if not path.parent.is_dir():
        raise RefusedError(
            f"is in a folder that does not exist: {path.parent}", "make the folder, or name another file"
        )
    check_options(url)
    return url.set(database=str(path))


def _check_server(url: URL) -> None:
    if "@" in f"{url.host}{url.database}":
        raise RefusedError("has a second @", "write @ as %40 and / as %2F in the user's name and the password")
    _check_passwords(url)
    beside = BESIDE_DATABASE_TLS if url.get_driver_name() == "psycopg" else ()
    if overruled := [key for key in url.query if key.startswith("ssl") and key not in beside]:
        raise RefusedError(
            f"asks for TLS by {', '.join(overruled)}, which DATABASE_TLS would overrule",
            "remove that from the URL; set DATABASE_TLS=require or verify, and DATABASE_TLS_CA if need be",
        )
    parts = f"{url.username}{url.password}{url.host}{url.database}{' '.join(map(''.join, url.query.values()))}"
    if "\0" in parts:
        raise RefusedError("has a NUL character, which no driver can send", "remove it; in a URL it may be a %00")
    if "\ufffd" in parts:  # what a %E4 that is no UTF-8 is read as
        raise RefusedError("has a % with what is not UTF-8", "percent-encode letters as UTF-8: ä is %C3%A4")
    try:
        (url.host or "").encode("idna")
    except UnicodeError:
        raise RefusedError(
            "has a host that cannot be one", "correct its name: user:password@host:port/database"
        ) from None
    if not url.database:
        raise RefusedError("names no database", "put its name behind the host: …@host/sakila")
    if url.port is not None and not 1 <= url.port <= 65535:
        raise RefusedError("has a port outside 1 to 65535", "correct the port or leave it out")
    check_options(url)


def _check_passwords(url: URL) -> None:
    """Refuse a password behind the ?: what logs leave out of a URL is the one before it."""
    if "sslpassword" in url.query:
        raise RefusedError(
            "has the password of a key behind the ?, where logs would show it",
            "name a key without one, in a file that only this service may read",
        )
    if any("pass" in key.lower() and key not in ("passfile", *INSTEAD) for key in url.query):
        raise RefusedError("has a password behind the ?, where logs would show it", "write it as user:password@host")


DatabaseURL = Annotated[InstanceOf[URL], BeforeValidator(parse_database_url), PlainSerializer(str)]
