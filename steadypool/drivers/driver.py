"""What the pool knows of a driver: one small class, which each driver fills in."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from steadypool.core.classify import ErrorKind
from steadypool.core.policy import PoolPolicy
from steadypool.core.wire import Wire
from steadypool.drivers.opening import in_time
from steadypool.drivers.wire import SocketWire

Role = Literal["reader", "writer", "migration"]

ER_ERROR_DURING_COMMIT, ER_LOCK_DEADLOCK = 1180, 1213
"""Of MySQL and MariaDB."""
FULL_IN_WORDS = re.compile(
    "(clients already|too many (tcp )?connections|connection slots are|no more connections allowed|max clients reached|"
    "max client connections)",
    re.IGNORECASE,
)
"""psycopg has no SQLSTATE for a connect that is refused. The last ones are those of poolers before PostgreSQL."""
WITHOUT_CODE = (None, -1)
"""Errors of the drivers' own; the second is Connector/Python's."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a driver's `connect`, as SQLAlchemy and whoever listens to it want it."""

    dbapi: Any
    """The driver's module."""
    connect: Callable[..., Any]
    close: Callable[[Any], object]
    positional: Sequence[Any]
    arguments: Mapping[str, Any]


class Greeting(NamedTuple):
    """What is known of a connection once it is made."""

    wait_timeout: float | None = None
    """For how many seconds the server keeps an idle client."""
    session: Any = None
    """By what `Driver.end` has the server end it, None where that cannot be."""


class Driver:
    """One driver, for one engine; as it stands here, one that follows PEP 249 and shows nothing more of itself."""

    module = ""
    """The package whose errors are this driver's."""
    joins: frozenset[str] = frozenset()
    """The arguments that are made of what is said and of what we add."""
    kinds: Mapping[int | str, ErrorKind] = {}
    """What its database's codes mean."""
    login_codes: frozenset[int | str] = frozenset()
    """With which codes its database refuses a login."""
    tls_words = re.compile("ssl|tls")
    """How the arguments begin that say how the policy's TLS is to be."""
    arrives_unseen = False
    """Whether nobody knows, until it is through, how far a connect has come, and the server counts those that end."""

    def __init__(self, policy: PoolPolicy, role: Role) -> None:
        self.policy, self.role = policy, role

    def arguments(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return what `connect` is told besides what URL and `connect_args` say, in these words, which come first.

        Raises ValueError where they say of TLS, or of transactions, otherwise than the policy and the role.
        """
        about_tls = {name for name in said if self.tls_words.match(name)}
        if about_tls and self.policy.tls != "prefer":
            words = ", ".join(sorted(about_tls))
            raise ValueError(f"tls={self.policy.tls!r} and {words}: say in one place how TLS is to be")
        ours = self.connect_arguments(said) | ({} if about_tls else self.tls_arguments())
        if "autocommit" in said:
            raise ValueError(
                f"autocommit={said['autocommit']!r} is given, but that is for the role to say: {self.role!r}"
            )
        return {name: value for name, value in ours.items() if name not in said or name in self.joins}

    def connect_arguments(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return what `connect` is told of all but TLS; what `joins` names has in it what is said."""
        return {}

    def tls_arguments(self) -> dict[str, Any]:
        """Return the policy's TLS in this driver's words.

        Raises ValueError where it wants TLS: of a driver that nobody has looked at, they are not known.
        """
        if self.policy.tls in ("require", "verify"):
            raise ValueError(f"tls={self.policy.tls!r} is for drivers that are known; say it in connect_args instead")
        return {}

    def open(self, call: Call, seconds: float, note: Callable[[Wire], None]) -> Any:
        """Return a connection within so many seconds, or raise the driver's error.

        `note` is told of the wire as soon as there is one, so that others can cut it.
        """
        # The drivers in C count whole seconds, psycopg at least two, for each host that is named in a row.
        hosts = max(str(call.arguments.get(name)).count(",") for name in ("host", "hostaddr")) + 1
        known = {name: max(2, math.ceil(seconds / hosts)) for name in ("connect_timeout",) if name in call.arguments}
        try:
            return in_time(lambda: call.connect(*call.positional, **{**call.arguments, **known}), call.close, seconds)
        except TimeoutError as error:
            raise call.dbapi.OperationalError(str(error)) from error

    def wire_of(self, connection: Any) -> Wire | None:
        """Return what a connection goes over, None where the driver does not show it."""
        fileno = self.file_descriptor(connection)
        return None if fileno is None else SocketWire(fileno)

    def is_in_transaction(self, connection: Any) -> bool:
        """Tell whether a transaction is open, by what the driver knows without asking the server; False if unknown."""
        return False

    def introduce(self, connection: Any, *, is_mariadb: bool) -> Greeting:
        """Have the server stop a statement before we give up on it; return what is to be known of the connection."""
        return Greeting()

    def end(self, sessions: list[Any], connect: Callable[[], Any]) -> None:
        """Have the server end what it does in sessions that we have left, and take out those that are over.

        Never somebody else's: where it is not certain that one is ours, it stays in the list. `connect` returns a new
        connection, which is closed afterwards. Raises the driver's error.
        """

    def position(self, connection: Any, *, is_mariadb: bool) -> str | None:
        """Return how far its server is, once this connection has committed; None where it cannot say."""
        return None

    def reached(self, position: str, seconds: float, *, is_mariadb: bool) -> tuple[str, tuple[Any, ...]] | None:
        """Return a statement, with its values, that tells whether a server is that far, and may wait so long for it.

        0 seconds: at once. None where no statement can tell.
        """
        return None

    @staticmethod
    def code(error: BaseException) -> int | str | None:
        """Return the number or SQLSTATE of an error, one of WITHOUT_CODE where it is of the driver's own making."""
        if sqlite := getattr(error, "sqlite_errorcode", None):
            return int(sqlite) & 0xFF  # what is above the low byte tells more of the same
        first = next(iter(error.args), None)
        if first == ER_ERROR_DURING_COMMIT and "error 149 " in str(error):
            return ER_LOCK_DEADLOCK  # an engine's; in Group Replication another member's change came first
        # The second as psycopg2 calls it.
        return first if isinstance(first, int) else getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)

    @classmethod
    def kind(cls, error: BaseException) -> ErrorKind:
        """Return what an error of the driver means, by its code or by the class that PEP 249 gives it."""
        code = cls.code(error)
        if code is not None and code in cls.kinds:
            return cls.kinds[code]
        names = {each.__name__ for each in type(error).__mro__}
        if "InternalError" in names and code is None:  # PyMySQL: packet sequence number wrong
            return ErrorKind.CONNECTION_DEAD
        if code is None and FULL_IN_WORDS.search(str(error)):
            return ErrorKind.FULL
        return ErrorKind.REFUSED if names & {"IntegrityError", "DataError"} else ErrorKind.MISTAKE

    def refuses_option(self, dbapi: Any, error: Exception) -> bool:
        """Tell whether a connect failed because of an option: neither the server nor the network is to blame."""
        return isinstance(error, (dbapi.ProgrammingError, dbapi.NotSupportedError)) and self.code(error) in WITHOUT_CODE

    def refuses_login(self, error: Exception) -> bool:
        """Tell whether the server refused user and password, or token: others may be right by now."""
        return self.code(error) in self.login_codes

    def file_descriptor(self, connection: Any) -> int | None:
        """Return that of a connection's socket, None where it has none that is shown."""
        fileno = getattr(connection, "fileno", None)
        return int(fileno()) if fileno else None
