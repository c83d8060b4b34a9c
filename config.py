"""The settings on one page: names, types, bounds, defaults, and what each is for.

`docs/settings.md` has a card for each, and when to leave it alone. A field's name in upper case is the variable in the
environment; how that is read and checked is in `settings/`, and nothing else of ours reads the environment.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr
from sqlalchemy.engine import URL

from settings import ROOT
from settings.checks import validated
from settings.cpus import default_workers
from settings.database_urls import DatabaseURL
from settings.problems import BadSetting, SettingsError
from settings.secrets import put_secrets_in, shown_setting
from settings.sources import from_process, given
from settings.url_files import URLFile
from settings.values import Certificates, Endpoint, Host, Token

__all__ = ["ROOT", "VERSION", "Settings", "load_settings", "load_settings_or_exit", "wants_colour"]

VERSION = "1.0.0"
"""Of the application, as CHANGELOG.md counts; /metrics tells it."""

lower, upper = BeforeValidator(str.lower), BeforeValidator(str.upper)

DATABASES = "DATABASE_URL", "DATABASE_READ_URL"


class Settings(BaseModel):
    """What the service was told, checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    # --- Database ---
    # The database that is read and written.
    database_url: DatabaseURL = URL.create("sqlite", database=str(ROOT / "instance" / "sakila.sqlite3"))
    # A copy of it that reads go to.
    database_read_url: DatabaseURL = Field(default_factory=lambda valid: valid["database_url"])
    # Whether connections are encrypted, and whether the server must prove who it is.
    database_tls: Annotated[Literal["prefer", "require", "verify", "off"], lower] = "prefer"
    # A PEM file with the authorities that `verify` trusts; without one those of the system.
    database_tls_ca: Certificates | None = None

    # How long a read of who has just written waits for that copy to have it, until it goes to DATABASE_URL; 0: never.
    read_your_writes_seconds: float = Field(0.2, ge=0, le=10, allow_inf_nan=False)

    # --- Connections, of each worker ---
    # Whether they are kept for the next request, or made for each.
    pool_strategy: Annotated[Literal["queue", "request"], lower] = "queue"
    # For reads; and how many more under load, closed after use.
    pool_size: int = Field(8, ge=1, le=1000)
    pool_max_overflow: int = Field(0, ge=0, le=1000)
    # The longest life of a connection.
    pool_recycle_seconds: int = Field(1800, ge=1, le=86_400)
    # Whether its socket is looked at before use; after so much idling the server is asked as well.
    pool_pre_ping: bool = True
    pool_ping_after_seconds: float = Field(30.0, ge=0, le=86_400, allow_inf_nan=False)
    # How long a request waits for one, and how many threads may wait; the rest gets a 503.
    pool_timeout_seconds: float = Field(1.0, gt=0, le=60, allow_inf_nan=False)
    pool_max_pending: int = Field(64, ge=0, le=10_000)
    # From when on one that is still in use is reported; 0: never.
    pool_leak_seconds: float = Field(10.0, ge=0, le=86_400, allow_inf_nan=False)
    # How many instances share the databases, and how many more there are while some are replaced or one reloads.
    instances: int = Field(1, ge=1, le=10_000)
    instance_surge: int = Field(1, ge=0, le=10_000)
    # What to do at start where the server allows fewer than all workers may open.
    pool_budget: Annotated[Literal["refuse", "warn", "off"], lower] = "warn"
    # For writes.
    writer_pool_size: int = Field(2, ge=1, le=1000)
    # What a request may spend on the database in all: waiting, connecting, asking, asking again.
    request_deadline_seconds: float = Field(3.0, gt=0, le=300, allow_inf_nan=False)

    # --- Server ---
    # Processes, by default one for each CPU and at most 4; threads of each.
    workers: int = Field(default_factory=default_workers, ge=1, le=256)
    threads: int = Field(16, ge=1, le=1000)
    # How long a question waits for one of them; the rest gets a 503.
    queue_timeout_seconds: float = Field(1.0, gt=0, le=60, allow_inf_nan=False)
    # Where to listen.
    host: Host = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65_535)
    # What begun requests get after SIGTERM.
    graceful_timeout_seconds: int = Field(20, ge=1, le=3600)
    # How long after SIGTERM the listener stays open, while /readyz says 503 already.
    shutdown_delay_seconds: int = Field(0, ge=0, le=600)
    # After how many a worker is replaced; 0: never.
    max_requests: int = Field(10_000, ge=0, le=1_000_000_000)
    # How many proxies in front are believed what they say of the client.
    trusted_proxy_hops: int = Field(0, ge=0, le=10)

    # --- Log ---
    # The least severe events that are logged.
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], upper] = "INFO"
    # For machines, for people, or for whoever is at the other end.
    log_format: Annotated[Literal["auto", "json", "pretty"], lower] = "auto"
    # Whether each request is logged; and from how long on as a slow one, 0: never.
    access_log: bool = True
    slow_request_seconds: float = Field(1.0, ge=0, le=300, allow_inf_nan=False)

    # --- Operations ---
    # In production nobody sees /metrics and /pool without the token.
    environment: Annotated[Literal["development", "production"], lower] = "development"
    ops_token: Token | None = None
    # Without it nobody changes anything over HTTP.
    api_token: Token | None = None
    # The collector that spans and metrics are sent to. Its other variables (OTEL_…) OpenTelemetry's SDK reads itself.
    otel_exporter_otlp_endpoint: Endpoint | None = None
    # Send nothing all the same.
    otel_sdk_disabled: bool = False
    # Whether each statement says in a comment to which span it belongs.
    sql_comments: bool = False

    _url_files: dict[str, URLFile] = PrivateAttr(default_factory=dict)

    @property
    def writer_url_file(self) -> URLFile | None:
        """The file that the address of the writer came from, None if from none, or if it names no server."""
        return self._url_files.get("DATABASE_URL")

    @property
    def reader_url_file(self) -> URLFile | None:
        """The same of the reader, whose address may be the writer's."""
        is_own = "database_read_url" in self.model_fields_set
        return self._url_files.get("DATABASE_READ_URL") if is_own else self.writer_url_file

    @property
    def waits_for_replica(self) -> bool:
        """True when reads go to another server than writes, which may be behind, and are to wait for it."""
        read, write = self.database_read_url, self.database_url
        return self.read_your_writes_seconds > 0 and read != write and _family(read) != "sqlite"

    @property
    def manages_own_file(self) -> bool:
        """True when no DATABASE_URL was given: the built-in SQLite file, which only we create and fill."""
        return "database_url" not in self.model_fields_set


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the checked settings; raise `SettingsError` with all that is wrong.

    They come from `environ` alone, or without one from the process's environment and, for what that does not
    name, the file `.env` beside this one. An empty value counts as not given.
    """
    names = [name.upper() for name in Settings.model_fields]
    values = from_process(names) if environ is None else given(names, environ)
    files = {name: ROOT / values[f"{name}_FILE"] for name in DATABASES if f"{name}_FILE" in values}
    problems = list(put_secrets_in(values))
    settings, refused = validated(Settings, values)
    unsound = {problem.name for problem in problems + refused}
    problems += refused
    problems += [problem for about, problem in _contradictions(settings) if unsound.isdisjoint(about)]
    if problems:
        raise SettingsError(problems)
    for name, path in files.items():
        url = getattr(settings, name.lower())
        if _family(url) != "sqlite":  # which knows no login
            settings._url_files[name] = URLFile(name, path, url)
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


def _contradictions(settings: Settings) -> Iterator[tuple[set[str], BadSetting]]:
    """Yield what does not go together: the names it is about, and the problem."""
    read, write = settings.database_read_url, settings.database_url
    ca, grace = settings.database_tls_ca, settings.graceful_timeout_seconds

    def problem(name: str, reason: str, remedy: str, *others: str) -> tuple[set[str], BadSetting]:
        value = getattr(settings, name.lower())
        return {name, *others}, BadSetting(name, shown_setting(name, str(value)), reason, remedy)

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
    if settings.api_token and settings.api_token == settings.ops_token:
        reason = "is the same as OPS_TOKEN: whoever may look at the metrics could write"
        yield problem("API_TOKEN", reason, "make another one: openssl rand -hex 24", "OPS_TOKEN")
    for name in ("POOL_TIMEOUT_SECONDS", "REQUEST_DEADLINE_SECONDS"):
        if getattr(settings, name.lower()) >= grace:
            reason = f"is not below GRACEFUL_TIMEOUT_SECONDS={grace}: a shutdown could cut a request short"
            yield problem(name, reason, "lower this or raise that", "GRACEFUL_TIMEOUT_SECONDS")


def _family(url: URL) -> str:
    return url.get_backend_name().replace("mariadb", "mysql")
