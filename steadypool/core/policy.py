"""How connections are kept."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from steadypool.core.credentials import Provider

TLS = Literal["prefer", "require", "verify", "off"]
Strategy = Literal["queue", "request"]

UNLIMITED = 1000
"""Connections that strategy `request` may have open: as many as a process can have threads."""

STATEMENT_SHARE = 2 / 3
"""How much of the deadline the server gives a statement: it should stop before we do, so that the connection survives
and nothing goes on for a client that has gone."""

LEAST_DEADLINE_SECONDS, MOST_DEADLINE_SECONDS = 0.01, 86_400.0
"""Servers count whole milliseconds, and take 0 for no limit; what is above a day they would not take at all."""

LONGEST_CALL_SECONDS = 35.0
"""When the housekeeping ends a call under no deadline. SQLite's own wait for another writer (30 s) is shorter."""


@dataclass(frozen=True, kw_only=True)
class PoolPolicy:
    """How the connections of one engine are kept; raises ValueError for what makes no sense."""

    strategy: Strategy = "queue"
    """`queue` keeps connections; `request` makes one each time and closes it, to compare or behind a pooler."""
    size: int = 8
    """Connections that are kept; at least 1."""
    max_overflow: int = 0
    """Connections beyond those, which are closed when they come back."""
    timeout_seconds: float = 1.0
    """The longest wait for a permit, where no deadline is nearer; to make a connection may take longer."""
    max_pending: int = 64
    """Threads that may wait for one; whoever comes then is refused at once."""
    recycle_seconds: int = 1800
    """The longest life of a connection; up to a tenth shorter, so that not all end at once."""
    pre_ping: bool = True
    """Whether an idle connection is tested before it is lent: its socket always, by a ping after long idling."""
    ping_after_seconds: float = 30.0
    """How long a connection may be idle before the test costs a round trip."""
    leak_seconds: float = 10.0
    """How long one may be held before that is told, with its holder's stack; 0: never."""
    deadline_seconds: float = 3.0
    """How long the work of a request may take (`deadline.within`), from 0.01 to 86,400; the server stops a statement
    after two thirds."""
    application_name: str | None = None
    """As what the server lists the connections, where it does and the driver can say it (mysqlclient cannot); what URL,
    `connect_args` or libpq's environment say comes first."""
    tls: TLS = "prefer"
    """`off`, `prefer`, `require`, or `verify` the server's certificate and name. With `prefer` it counts what URL and
    connect_args say of TLS; any other is the only place where something is said."""
    tls_ca: Path | None = None
    """A file with the certificates that `verify` trusts; None: the system's."""
    catch_up_seconds: float = 0.0
    """How long a read on a replica waits to see what was written before (`after`), until it goes to the primary; 0:
    no read waits or goes elsewhere."""
    credentials: Provider | None = field(default=None, repr=False)
    """Asked for user and password, or a token, at each connect; None: they are those of the URL. As TLS, it is for
    engines of `create_pool_engine`: a pool alone leaves connecting to its creator."""

    def __post_init__(self) -> None:
        for name, allowed in {"strategy": get_args(Strategy), "tls": get_args(TLS)}.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}")
        for name in ("size", "max_overflow", "max_pending"):
            if not isinstance(getattr(self, name), int):
                raise ValueError(f"{name} must be a whole number, not {getattr(self, name)!r}")
        if not LEAST_DEADLINE_SECONDS <= self.deadline_seconds <= MOST_DEADLINE_SECONDS:
            raise ValueError(f"deadline_seconds must be from 0.01 to 86,400, not {self.deadline_seconds}")
        least = {"size": 1, "max_overflow": 0, "max_pending": 0, "ping_after_seconds": 0, "leak_seconds": 0}
        least |= {"catch_up_seconds": 0}
        for name, value in least.items():
            if not getattr(self, name) >= value:
                raise ValueError(f"{name} must be at least {value}, not {getattr(self, name)}")
        if not (self.credentials is None or callable(self.credentials)):
            raise ValueError(f"credentials must be a function, not {type(self.credentials).__name__}")
        for name in ("timeout_seconds", "recycle_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name)}")

    def engine_options(self) -> dict[str, Any]:
        """Return what SQLAlchemy's own options say of it, by their names."""
        keeps = self.strategy == "queue"
        return {
            "pool_size": self.size if keeps else 0,
            "max_overflow": self.max_overflow if keeps else UNLIMITED,
            "pool_recycle": self.recycle_seconds,
            "pool_pre_ping": self.pre_ping,
            "pool_timeout": self.timeout_seconds,
        }

    @property
    def statement_seconds(self) -> float:
        """How long the server lets a statement run."""
        return self.deadline_seconds * STATEMENT_SHARE

    @property
    def longest_call_seconds(self) -> float:
        """How long a call may take that is under no deadline."""
        return max(LONGEST_CALL_SECONDS, self.deadline_seconds)
