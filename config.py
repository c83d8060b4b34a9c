"""The settings: every name, unit, default and check; nothing else of ours reads the environment.

`docs/settings.md` has a card for each; `load_settings` says what is wrong with all of them at once.
"""

import importlib.util
import ipaddress
import math
import os
import re
import ssl
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, PlainSerializer, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, DotEnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import URL, make_url

ROOT = Path(__file__).resolve().parent
CGROUP = Path("/sys/fs/cgroup")

# Each worker has its own pools, so every one more is POOL_SIZE + WRITER_POOL_SIZE more
# connections: on a machine of 64 cores that must be somebody's decision, not a default.
MOST_WORKERS_BY_DEFAULT = 4

# Settings that may hold a password: read from NAME_FILE too.
SECRETS = ("DATABASE_URL", "DATABASE_READ_URL")

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


class Refused(ValueError):
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
    """Return how many CPUs this process may use: the container's limit (cgroup v2 or v1) or what the machine gives it."""
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
    """Return the URL with its driver spelt out and a SQLite path made absolute; raise `Refused`."""
    try:
        url = value if isinstance(value, URL) else make_url(str(value).strip())
    except Exception:  # its text may repeat the password
        raise Refused(
            "is not a database URL",
            "write mysql://user:password@host:3306/database, with @ : / ? # % in the password as %40 %3A %2F %3F %23 %25",
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
        raise Refused("names a database or a driver that is not supported", f"start it with one of {supported}")
    module, package = drivers[driver]
    if not _is_installed(module):
        raise Refused(f"needs {package}, which is not installed", f"pip install {package}, or name another driver")
    return url.set(drivername=backend if backend == "sqlite" else f"{backend}+{driver}")


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it is missing
        return False


def _sqlite_file(url: URL) -> URL:
    name = url.database or ""
    if not name or ":memory:" in name or url.query.get("mode") == "memory":
        raise Refused("is a database in memory, which each connection would have for itself", "name a file")
    if name.startswith("file:"):
        return url
    path = ROOT / name
    if not path.parent.is_dir():
        raise Refused(f"is in a folder that does not exist: {path.parent}", "make the folder, or name another file")
    return url.set(database=str(path))


def _check_server(url: URL) -> None:
    if "@" in f"{url.host}{url.database}":
        raise Refused("has a second @", "write @ as %40 and / as %2F in the user's name and the password")
    if any("pass" in key.lower() for key in url.query):
        raise Refused("has a password behind the ?, where logs would show it", "write it as user:password@host")
    if not url.database:
        raise Refused("names no database", "put its name behind the host: …@host/sakila")
    if url.port is not None and not 1 <= url.port <= 65535:
        raise Refused("has a port outside 1 to 65535", "correct the port or leave it out")


def _parse_host(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        if re.fullmatch(r"[A-Za-z0-9._-]+", value):
            return value
    raise Refused("is not an address or a host name", "write 127.0.0.1, 0.0.0.0 or ::1; the port has its own setting, PORT")


def _parse_ca(value: Path) -> Path:
    path = ROOT / value
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except OSError as error:  # ssl.SSLError is one too
        reason = "is not a PEM file with certificates" if isinstance(error, ssl.SSLError) else f"{error.strerror}"
        raise Refused(f"cannot be read: {reason}", "name a readable PEM file with the certificates to trust") from None
    return path


def _fold(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


DatabaseURL = Annotated[InstanceOf[URL], BeforeValidator(parse_database_url), PlainSerializer(str, when_used="json")]


class Settings(BaseSettings):
    """What the service was told, checked; fields are the environment's names in lower case."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=False)

    database_url: DatabaseURL = URL.create("sqlite", database=str(ROOT / "instance" / "sakila.sqlite3"))
    database_read_url: DatabaseURL = Field(default_factory=lambda valid: valid["database_url"])
    database_tls: Annotated[Literal["prefer", "require", "verify", "off"], BeforeValidator(_fold)] = "prefer"
    database_tls_ca: Annotated[Path, AfterValidator(_parse_ca)] | None = None

    pool_strategy: Annotated[Literal["queue", "request"], BeforeValidator(_fold)] = "queue"
    pool_size: int = Field(8, ge=1, le=1000)
    pool_max_overflow: int = Field(0, ge=0, le=1000)
    pool_recycle_seconds: int = Field(1800, ge=1, le=86_400)
    pool_pre_ping: bool = True
    pool_timeout_seconds: float = Field(1.0, gt=0, le=60, allow_inf_nan=False)
    writer_pool_size: int = Field(2, ge=1, le=1000)

    workers: int = Field(default_factory=default_workers, ge=1, le=256)
    threads: int = Field(16, ge=1, le=1000)
    host: Annotated[str, AfterValidator(_parse_host)] = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65_535)
    graceful_timeout_seconds: int = Field(20, ge=1, le=3600)
    max_requests: int = Field(10_000, ge=0, le=1_000_000_000)
    trusted_proxy_hops: int = Field(0, ge=0, le=10)

    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)] = "INFO"
    log_format: Annotated[Literal["auto", "json", "pretty"], BeforeValidator(_fold)] = "auto"
    access_log: bool = True

    @property
    def manages_own_file(self) -> bool:
        """True when no DATABASE_URL was given: the built-in SQLite file, which only we create and fill."""
        return "database_url" not in self.model_fields_set

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, **_: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the arguments alone: `load_settings` gathers them, so a test can hand in an environment of its own."""
        return (init_settings,)


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the checked settings from `environ` alone, or from the process's environment and ROOT/.env; raise `SettingsError`."""
    return Settings(**{k.lower(): v for k, v in (os.environ if environ is None else environ).items() if v and k.lower() in Settings.model_fields})


def load_settings_or_exit() -> Settings:
    """Return the checked settings, or list what is wrong on stderr and exit with code 2."""
    try:
        return load_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
