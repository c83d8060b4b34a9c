"""The settings: every name, unit, default and check; nothing else of ours reads the environment.

`docs/settings.md` has a card for each; `load_settings` says what is wrong with all of them at once.
"""

import difflib
import importlib.util
import inspect
import ipaddress
import math
import os
import re
import sqlite3
import ssl
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import quote

from dotenv import dotenv_values, find_dotenv
from dotenv.parser import Original, parse_stream
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    InstanceOf,
    PlainSerializer,
    SecretStr,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import URL, make_url

VERSION = "1.0.0"
"""Of the application, as CHANGELOG.md counts; /metrics tells it."""

ROOT = Path(__file__).resolve().parent
CGROUP = Path("/sys/fs/cgroup")

# Each worker has its own pools, so every one more is POOL_SIZE + WRITER_POOL_SIZE more
# connections: on a machine of 64 cores that must be somebody's decision, not a default.
MOST_WORKERS_BY_DEFAULT = 4

# Settings that are or may hold a password: read from NAME_FILE too.
SECRETS = ("DATABASE_URL", "DATABASE_READ_URL", "OPS_TOKEN", "API_TOKEN")

# With one of these in FLASK_SKIP_DOTENV the flask command reads .env files (flask.helpers.get_load_dotenv).
NOT_SKIPPED = ("", "0", "false", "no")

SHORTEST_TOKEN = 16
_NEW_TOKEN = "make one: openssl rand -hex 24"  # noqa: S105 -- a command

# driver in the URL -> the module it needs, the package that has it; the first of each is the default
_MYSQL_DRIVERS = {
    "pymysql": ("pymysql", "PyMySQL"),
    "mysqldb": ("MySQLdb", "mysqlclient"),
    "mysqlconnector": ("mysql.connector", "mysql-connector-python"),
}
DRIVERS = {
    "sqlite": {"pysqlite": ("sqlite3", "")},
    "mysql": _MYSQL_DRIVERS,
    "mariadb": _MYSQL_DRIVERS,
    "postgresql": {"psycopg": ("psycopg", "psycopg[binary]")},
}

# What a URL may say of TLS, for psycopg: whether and whom to trust is DATABASE_TLS's, whose arguments would win without
# a word.
BESIDE_DATABASE_TLS = (
    *("sslcert", "sslkey", "sslcertmode", "sslcrl", "sslcrldir", "sslsni"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
)

# What a URL may not say behind its ?, although the driver would take it, and what to do instead.
_PLACES = dict.fromkeys(("host", "port", "user", "username", "database", "db", "dbname"), "write it before the ?")
_TIMES = dict.fromkeys(
    ("connect_timeout", "connection_timeout", "read_timeout", "write_timeout"),
    "remove it: REQUEST_DEADLINE_SECONDS bounds connecting and asking",
)
_RELIED_UPON = dict.fromkeys(
    (
        *("autocommit", "prepare_threshold", "use_pure", "buffered", "raw", "consume_results", "raise_on_warnings"),
        *("use_unicode", "client_flag", "cursorclass", "conv", "auth_plugin_map", "server_public_key", "defer_connect"),
        *("pool_name", "pool_size", "pool_reset_session", "binary_prefix", "replication"),
        "can_handle_expired_passwords",
    ),
    "remove it: the pool relies on a value of its own",
)
INSTEAD = _PLACES | _TIMES | _RELIED_UPON

_CHARSET = {"psycopg": "client_encoding", "pymysql": "charset", "mysqldb": "charset", "mysqlconnector": "charset"}

# SQLite passes over what it does not know (sqlite.org/uri.html).
SQLITE_OPTIONS = ("mode", "cache", "immutable", "nolock", "psow", "vfs")

CR_CONNECTION_ERROR = 2002
"""Can't connect through a socket (MySQL's client error reference)."""

NOWHERE = "/nonexistent/socket"
"""Where a driver is sent to say whether it takes an option: it looks at its arguments first."""


class RefusedError(ValueError):
    """A value that cannot be used: the reason, and what to write instead."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


@dataclass(frozen=True)
class Problem:
    """One setting that cannot be used, in words that may be logged: no password is in them."""

    name: str
    value_shown: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name}={self.value_shown}\n    {self.reason}\n    -> {self.remedy}"


class SettingsError(Exception):
    """All that is wrong with the settings."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        count = "1 setting" if len(self.problems) == 1 else f"{len(self.problems)} settings"
        return "\n  ".join([f"{count} cannot be used:", *map(str, self.problems)])


def cpu_limit(cgroup: Path = CGROUP) -> float:
    """Return how many CPUs this process may use, by the container's limit (cgroup v2 or v1) and by the machine."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    usable = float(len(affinity(0)) if affinity else os.cpu_count() or 1)
    try:
        if (cgroup / "cpu.max").exists():
            quota, period = (cgroup / "cpu.max").read_text().split()
        else:
            quota, period = ((cgroup / "cpu" / f"cpu.cfs_{part}_us").read_text() for part in ("quota", "period"))
        limit = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no limit is "max" in v2
        return usable
    return min(usable, limit) if limit > 0 else usable  # and -1 in v1


def default_workers() -> int:
    """Return one worker for each CPU, begun ones counted, and at most four."""
    return max(1, min(MOST_WORKERS_BY_DEFAULT, math.ceil(cpu_limit())))


def parse_database_url(value: object) -> URL:
    """Return the URL with its driver spelt out and a SQLite path made absolute; raise `RefusedError`."""
    try:
        url = value if isinstance(value, URL) else make_url(str(value).strip())
    except Exception:  # its text may repeat the password
        raise RefusedError(
            "is not a database URL",
            "write mysql://user:password@host:3306/database, with @ : / ? # % in it as %40 %3A %2F %3F %23 %25",
        ) from None
    url = _with_driver(url)
    if url.get_backend_name() == "sqlite":
        return _sqlite_file(url)
    _check_server(url)
    return url


def _with_driver(url: URL) -> URL:
    backend, _, driver = url.drivername.replace("postgres+", "postgresql+").partition("+")
    backend = "postgresql" if backend == "postgres" else backend
    drivers = DRIVERS.get(backend, {})
    driver = driver or next(iter(drivers), "")
    if driver not in drivers:
        supported = ", ".join(f"{name}+{driver}" for name, drivers in DRIVERS.items() for driver in drivers)
        raise RefusedError("names a database or a driver that is not supported", f"start it with one of {supported}")
    module, package = drivers[driver]
    if not _is_installed(module):
        raise RefusedError(f"needs {package}, which is not installed", f"pip install {package}, or name another driver")
    return url.set(drivername=backend if backend == "sqlite" else f"{backend}+{driver}")


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it is missing
        return False


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
    _check_options(url)
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
    _check_options(url)


def _check_passwords(url: URL) -> None:
    """Refuse a password behind the ?: what logs leave out of a URL is the one before it."""
    if "sslpassword" in url.query:
        raise RefusedError(
            "has the password of a key behind the ?, where logs would show it",
            "name a key without one, in a file that only this service may read",
        )
    if any("pass" in key.lower() and key not in ("passfile", *INSTEAD) for key in url.query):
        raise RefusedError("has a password behind the ?, where logs would show it", "write it as user:password@host")


def _check_options(url: URL) -> None:
    """Refuse what stands behind the ? and would be overruled, break the pool, or make each connect fail."""
    driver = url.get_driver_name()
    for name, value in url.query.items():
        places = driver == "psycopg" and name in ("host", "port", "hostaddr")  # a folder of sockets, or several hosts
        if name in INSTEAD and not places:
            raise RefusedError(f"has {name} behind the ?", INSTEAD[name])
        if not isinstance(value, str) and not places:
            raise RefusedError(f"has {name} more than once", "write it once")
        if name == _CHARSET.get(driver):
            _check_charset(name, str(value))
        try:
            said = _late_refusal(driver, name, str(value))
            said = said or _refusal(driver, url if places else url.set(query={name: value}), name)
        except Exception as error:  # drivers raise what they like
            said = str(error)
        if said:
            reason = f"has {name} behind the ?, which {driver} does not take: {said.strip()}"
            raise RefusedError(reason, _nearest(driver, name))


def _check_charset(name: str, value: str) -> None:
    wanted = "utf8mb4" if name == "charset" else "utf8"
    if value.lower().replace("-", "") not in (wanted, "unicode" if wanted == "utf8" else ""):  # PostgreSQL's old name
        raise RefusedError(f"has {name}={value}, which cannot hold every name", f"write {name}={wanted}, or remove it")


def _refusal(driver: str, url: URL, name: str) -> str:
    """Return what the driver has against an option of the URL, or raise what it raises; nothing is reached."""
    value = str(url.query[name])
    if driver == "pysqlite":
        return _refusal_of_sqlite(name, value)
    dbapi = importlib.import_module(DRIVERS[url.get_backend_name()][driver][0])
    dialect: Any = url.get_dialect()
    _, arguments = dialect(dbapi=dbapi).create_connect_args(url)
    if driver == "psycopg":
        return "" if name in ("host", "port", "hostaddr") else _refusal_of_libpq(name, value)
    nowhere = {"host": "localhost", "unix_socket": NOWHERE}
    # PyMySQL would encode the password of an option file in its own way, which is not ours.
    pymysql = {"ssl_disabled": True, "defer_connect": True, "password": b"-"}
    more: dict[str, dict[str, Any]] = {"pymysql": pymysql, "mysqlconnector": {"use_pure": True}}
    try:
        dbapi.connect(**arguments | nowhere | more.get(driver, {}))
    except dbapi.Error as error:
        return "" if error.args[0] == CR_CONNECTION_ERROR else str(error)
    return ""


def _late_refusal(driver: str, name: str, value: str) -> str:
    """Return what is wrong with a value at which a driver looks only while it connects, or raise what it would."""
    match driver, name:
        case ("psycopg", "hostaddr") | ("pymysql", "bind_address"):
            each = value.split(",") if driver == "psycopg" else [value]
            return "" if all(map(_is_address, filter(None, each))) else "it is not an IP address"
        case _, "collation" if not re.match("(utf8mb4|uca1400)_", value, re.IGNORECASE):
            return "it is not one of utf8mb4"
        case "mysqlconnector", "charset" | "collation":
            known = importlib.import_module("mysql.connector.constants").CharacterSet()
            known.set_mysql_version((8, 0))
            known.get_charset_info(*([value] if name == "charset" else ["utf8mb4", value]))
        case "mysqlconnector", "auth_plugin":
            importlib.import_module("mysql.connector.plugins").get_auth_plugin(value, None)
        case "mysqlconnector", "init_command" if not re.fullmatch(r"\s*SET\s[^;]*;?\s*", value, re.IGNORECASE):
            return "it is not one SET, and the driver would leave its answer unread"
    return ""


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _refusal_of_libpq(name: str, value: str) -> str:
    if (name.startswith("keepalives") or name == "tcp_user_timeout") and not value.isdecimal():
        return "it is not a whole number"  # libpq looks at these late, and over TCP alone
    pq, conninfo = importlib.import_module("psycopg.pq"), importlib.import_module("psycopg.conninfo")
    attempt = pq.PGconn.connect_start(conninfo.make_conninfo(host=NOWHERE, **{name: value}).encode())
    said = str(attempt.error_message.decode())
    # The second: it has understood gssencmode=require, which no socket in a folder can do.
    return "" if said.startswith("connection to server") or "over a local socket" in said else said


def _refusal_of_sqlite(name: str, value: str) -> str:
    if name not in SQLITE_OPTIONS:
        return f"SQLite knows {', '.join(SQLITE_OPTIONS)}"
    try:
        sqlite3.connect(f"file:{NOWHERE}?{name}={quote(value)}", uri=True)
    except sqlite3.Error as error:
        return str(error) if error.sqlite_errorcode == sqlite3.SQLITE_ERROR else ""
    return ""


def _nearest(driver: str, name: str) -> str:
    """Return what to do about an option that a driver does not take: it may be another's name for the same thing."""
    known = _options_of(driver)
    taken = [each for each in known if each not in INSTEAD and not re.search("^ssl|pass", each)]
    near = [] if name in known else difflib.get_close_matches(name.lower(), taken, n=1, cutoff=0.75)
    return f"write {near[0]}, or remove it" if near else "correct it, or remove it"


def _options_of(driver: str) -> list[str]:
    """Return what a driver says that it takes."""
    match driver:
        case "pysqlite":
            return list(SQLITE_OPTIONS)
        case "psycopg":
            return [each.keyword.decode() for each in importlib.import_module("psycopg.pq").Conninfo.get_defaults()]
        case "mysqlconnector":
            return list(importlib.import_module("mysql.connector.constants").DEFAULT_CONFIGURATION)
        case "pymysql":
            return list(inspect.signature(importlib.import_module("pymysql").connect).parameters)
    return re.findall(r":param \w+ (\w+):", importlib.import_module("MySQLdb.connections").Connection.__init__.__doc__)


def _parse_host(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        if re.fullmatch(r"[A-Za-z0-9._-]+", value):
            return value
    raise RefusedError("is not an address or a host name", "write 127.0.0.1, 0.0.0.0 or ::1; the port goes into PORT")


def _parse_ca(value: Path) -> Path:
    path = ROOT / value
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except OSError as error:  # ssl.SSLError is one too
        reason = "is not a PEM file with certificates" if isinstance(error, ssl.SSLError) else f"{error.strerror}"
        raise RefusedError(
            f"cannot be read: {reason}", "name a readable PEM file with the certificates to trust"
        ) from None
    return path


def _check_token(value: SecretStr) -> SecretStr:
    token = value.get_secret_value()
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", token):  # token68 of RFC 9110
        raise RefusedError("has characters that a bearer token must not have", _NEW_TOKEN)
    if len(token) < SHORTEST_TOKEN:
        raise RefusedError(f"has {len(token)} characters, fewer than {SHORTEST_TOKEN}: it could be guessed", _NEW_TOKEN)
    return value


DatabaseURL = Annotated[InstanceOf[URL], BeforeValidator(parse_database_url), PlainSerializer(str)]


class Settings(BaseSettings):
    """What the service was told, checked; fields are the environment's names in lower case."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=False)

    database_url: DatabaseURL = URL.create("sqlite", database=str(ROOT / "instance" / "sakila.sqlite3"))
    database_read_url: DatabaseURL = Field(default_factory=lambda valid: valid["database_url"])
    database_tls: Annotated[Literal["prefer", "require", "verify", "off"], BeforeValidator(str.lower)] = "prefer"
    database_tls_ca: Annotated[Path, AfterValidator(_parse_ca)] | None = None

    pool_strategy: Annotated[Literal["queue", "request"], BeforeValidator(str.lower)] = "queue"
    pool_size: int = Field(8, ge=1, le=1000)
    pool_max_overflow: int = Field(0, ge=0, le=1000)
    pool_recycle_seconds: int = Field(1800, ge=1, le=86_400)
    pool_pre_ping: bool = True
    pool_ping_after_seconds: float = Field(30.0, ge=0, le=86_400, allow_inf_nan=False)
    pool_timeout_seconds: float = Field(1.0, gt=0, le=60, allow_inf_nan=False)
    pool_max_pending: int = Field(64, ge=0, le=10_000)
    pool_leak_seconds: float = Field(10.0, ge=0, le=86_400, allow_inf_nan=False)
    pool_budget: Annotated[Literal["refuse", "warn", "off"], BeforeValidator(str.lower)] = "warn"
    writer_pool_size: int = Field(2, ge=1, le=1000)
    request_deadline_seconds: float = Field(3.0, gt=0, le=300, allow_inf_nan=False)

    workers: int = Field(default_factory=default_workers, ge=1, le=256)
    threads: int = Field(16, ge=1, le=1000)
    host: Annotated[str, AfterValidator(_parse_host)] = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65_535)
    graceful_timeout_seconds: int = Field(20, ge=1, le=3600)
    max_requests: int = Field(10_000, ge=0, le=1_000_000_000)
    trusted_proxy_hops: int = Field(0, ge=0, le=10)

    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(str.upper)] = "INFO"
    log_format: Annotated[Literal["auto", "json", "pretty"], BeforeValidator(str.lower)] = "auto"
    access_log: bool = True
    slow_request_seconds: float = Field(1.0, ge=0, le=300, allow_inf_nan=False)

    environment: Annotated[Literal["development", "production"], BeforeValidator(str.lower)] = "development"
    ops_token: Annotated[SecretStr, AfterValidator(_check_token)] | None = None
    api_token: Annotated[SecretStr, AfterValidator(_check_token)] | None = None

    @property
    def manages_own_file(self) -> bool:
        """True when no DATABASE_URL was given: the built-in SQLite file, which only we create and fill."""
        return "database_url" not in self.model_fields_set

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the arguments alone: `load_settings` gathers them, so a test can bring its own environment."""
        return (init_settings,)


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the checked settings; raise `SettingsError` with all that is wrong.

    They come from `environ` alone, or without one from the process's environment and, for what that does not
    name, the file `.env` beside this one. An empty value counts as not given.
    """
    values = _ours(environ) if environ is not None else _from_process()
    problems = list(_put_secrets_in(values))
    settings, refused = _check_each(values)
    unsound = {problem.name for problem in problems + refused}
    problems += refused
    problems += [problem for names, problem in _cross_check(settings) if unsound.isdisjoint(names)]
    if problems:
        raise SettingsError(problems)
    return settings


def load_settings_or_exit() -> Settings:
    """Return the checked settings, or list what is wrong with them on stderr and exit with code 2."""
    try:
        return load_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def wants_colour() -> bool:
    """Tell whether nobody asked for plain text; NO_COLOR does so for every program, with any value (no-color.org)."""
    return not os.environ.get("NO_COLOR")


def _from_process() -> dict[str, str]:
    file = _ours(_env_file())
    if problems := list(_from_flask(file)):
        raise SettingsError(problems)
    return _ours(os.environ, above=file)


def _from_flask(file: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what the `flask` command has put into the environment from a file, unless ours says the same.

    It does so before anything of ours runs: from the nearest .env and .flaskenv upwards, with ${...} replaced.
    Nobody can tell such a value from one that was there before.
    """
    reads = os.environ.get("FLASK_RUN_FROM_CLI") and os.environ.get("FLASK_SKIP_DOTENV", "").lower() in NOT_SKIPPED
    for path in (find_dotenv(name, usecwd=True) for name in (".env", ".flaskenv") if reads):
        for name, value in _ours(dotenv_values(path, encoding="utf-8") if path else {}).items():
            if value == os.environ.get(name, "").strip() and value != file.get(name):
                remedy = "set FLASK_SKIP_DOTENV=1, or start it by ./run; settings belong into the .env beside config.py"
                yield Problem(name, _visible(name, value), f"comes from {path}, as the flask command reads it", remedy)


def _env_file() -> Mapping[str, str | None]:
    path = ROOT / ".env"
    try:
        # Some editors begin UTF-8 with a mark.
        text = path.read_text(encoding="utf-8-sig") if path.is_file() or path.is_fifo() else ""
    except (OSError, UnicodeError):
        raise SettingsError([Problem(".env", str(path), "cannot be read", "make it a readable UTF-8 file")]) from None
    # A password may hold ${...}: what is written is what is meant, and a line without sense is not passed over.
    bindings = list(parse_stream(StringIO(text)))
    if unread := [_line_of(each.original) for each in bindings if each.error]:
        remedy = "write NAME=value, and either both quotation marks or none"
        problems = [Problem(".env", str(path), f"has no NAME=value in line {line}", remedy) for line in unread]
        raise SettingsError(problems)
    return {each.key: each.value for each in bindings if each.key}


def _line_of(original: Original) -> int:
    """Return the line of the first word: python-dotenv counts the empty ones above to it."""
    above = original.string[: len(original.string) - len(original.string.lstrip())]
    return original.line + above.count("\n")


def _ours(environ: Mapping[str, str | None], above: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return our settings among these, trimmed, and for those that are not given the ones they lie `above`."""
    names = [name.upper() for name in Settings.model_fields] + [f"{name}_FILE" for name in SECRETS]
    given = {name: value for name in names if (value := (environ.get(name) or "").strip())}
    # NAME hides the NAME_FILE of a lower layer and the other way round; only in one layer are both a contradiction.
    hidden = {name.removesuffix("_FILE") for name in given}
    return {name: value for name, value in (above or {}).items() if name.removesuffix("_FILE") not in hidden} | given


def _put_secrets_in(values: dict[str, str]) -> Iterator[Problem]:
    """Replace each NAME_FILE by NAME with the content of that file."""
    for name in SECRETS:
        path = values.pop(f"{name}_FILE", None)
        if path is None:
            continue
        if name in values:
            reason, remedy = f"is given, and {name} too", "remove one of the two"
        else:
            try:
                values[name] = (ROOT / path).read_text(encoding="utf-8-sig").rstrip("\r\n")
                if values[name].strip():
                    continue
                reason = "is an empty file"
            except (OSError, ValueError) as error:
                reason = f"cannot be read: {getattr(error, 'strerror', None) or 'it is not text'}"
            remedy = f"name a readable file with nothing but the value of {name}"
        values.pop(name, None)
        yield Problem(f"{name}_FILE", shown(path), reason, remedy)


def _check_each(values: Mapping[str, str]) -> tuple[Settings, list[Problem]]:
    """Return the settings, with defaults for those that cannot be used, and what is wrong with the latter."""
    fields = {name.lower(): value for name, value in values.items()}
    try:
        return Settings.model_validate(fields), []
    except ValidationError as error:
        # A default that is made from another field is not made when that one is wrong: no problem of its own.
        errors = [each for each in error.errors() if each["type"] != "default_factory_not_called"]
    problems = []
    for each in errors:
        name = str(each["loc"][0])
        refused = each.get("ctx", {}).get("error")
        if not isinstance(refused, RefusedError):
            field = Settings.model_fields[name]
            default = _as_typed(field.get_default(call_default_factory=True))
            refused = RefusedError(f"is not {allowed(field)}", f"correct it, or leave it out (default {default})")
        value = fields.pop(name)
        problems.append(Problem(name.upper(), _visible(name.upper(), value), refused.reason, refused.remedy))
    return Settings.model_validate(fields), problems


def _cross_check(settings: Settings) -> Iterator[tuple[set[str], Problem]]:
    """Yield what does not go together: the names it is about, and the problem."""
    read, write = settings.database_read_url, settings.database_url
    ca, grace = settings.database_tls_ca, settings.graceful_timeout_seconds

    def problem(name: str, reason: str, remedy: str, *others: str) -> tuple[set[str], Problem]:
        value = getattr(settings, name.lower())
        return {name, *others}, Problem(name, shown(str(value)), reason, remedy)

    if "database_read_url" in settings.model_fields_set and settings.manages_own_file:
        remedy = "set DATABASE_URL too, or remove this"
        yield problem(
            "DATABASE_READ_URL",
            "is given without DATABASE_URL: reads and writes would part",
            remedy,
            "DATABASE_URL",
            "DATABASE_URL_FILE",
        )
    elif _family(read) != _family(write):
        reason = f"is a {_family(read)} database, and DATABASE_URL a {_family(write)} one"
        yield problem("DATABASE_READ_URL", reason, "name a copy of DATABASE_URL's database", "DATABASE_URL")
    if ca and settings.database_tls != "verify":
        reason = f"is given, but DATABASE_TLS={settings.database_tls} checks no certificate"
        yield problem("DATABASE_TLS_CA", reason, "set DATABASE_TLS=verify, or remove this", "DATABASE_TLS")
    for name in ("POOL_TIMEOUT_SECONDS", "REQUEST_DEADLINE_SECONDS"):
        if getattr(settings, name.lower()) >= grace:
            reason = f"is not below GRACEFUL_TIMEOUT_SECONDS={grace}: a shutdown could cut a request short"
            yield problem(name, reason, "lower this or raise that", "GRACEFUL_TIMEOUT_SECONDS")


def _family(url: URL) -> str:
    return url.get_backend_name().replace("mariadb", "mysql")


def allowed(field: FieldInfo) -> str:
    """Return in words what a field of numbers, choices or on/off takes."""
    if field.annotation is bool:
        return "on or off"
    if get_origin(field.annotation) is Literal:
        return f"one of {', '.join(get_args(field.annotation))}"
    bounds = {key: getattr(item, key) for item in field.metadata for key in ("gt", "ge", "le") if hasattr(item, key)}
    low = f"from {bounds['ge']}" if "ge" in bounds else f"above {bounds['gt']}"
    return f"a {'whole ' if field.annotation is int else ''}number {low} up to {bounds['le']}"


def _as_typed(value: Any) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _visible(name: str, value: str) -> str:
    # What stands where a URL should may be the password itself.
    is_secret = name in ("OPS_TOKEN", "API_TOKEN") or (name in SECRETS and "://" not in value)
    return "***" if is_secret else shown(value)


def shown(value: str) -> str:
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
