"""What an error means for the connection, for the pool and for whoever asked: one table for all databases."""

import re
from enum import Enum
from typing import Any

from sqlalchemy import Dialect, exc

from steadypool.drivers import code_of
from steadypool.errors import DatabaseDownError, PoolError, TransactionLostError


class Verdict(Enum):
    """What to think of an error."""

    CONNECTION_DEAD = "this connection is of no use any more"
    ALL_DEAD = "the server is going away, and takes every connection along"
    READ_ONLY = "this server takes no writes (any more): the writer has moved"
    NOT_READY = "this node has left its cluster and refuses all: a new connection may lead to another one"
    TRY_AGAIN = "the whole unit of work may do better another time"
    INTERRUPTED = "somebody stopped the statement, and perhaps its connection"
    TOO_MUCH = "the program sent or asked for more than one packet may hold, and the connection is closed for it"
    TIMED_OUT = "the statement ran out of time; the connection is good"
    REFUSED = "the data do not allow it; the connection is good"
    MISTAKE = "the program is wrong; the connection is good"


# MySQL: dev.mysql.com/doc/mysql-errors (server 1xxx, 3xxx, 4xxx; client 2xxx) · MariaDB: mariadb.com/kb "Error Codes" ·
# PostgreSQL: Appendix A, SQLSTATE · SQLite: sqlite.org/rescode.html, the low byte · TiDB: docs.pingcap.com/error-codes
VERDICTS: dict[int | str | None, Verdict] = {
    0: Verdict.CONNECTION_DEAD,  # PyMySQL and mysqlclient: InterfaceError(0, ''), closed already
    1927: Verdict.CONNECTION_DEAD,  # MariaDB: connection was killed
    2006: Verdict.CONNECTION_DEAD,  # server has gone away (the write failed)
    2013: Verdict.CONNECTION_DEAD,  # lost connection during query (the read failed)
    2014: Verdict.CONNECTION_DEAD,  # commands out of sync: something is left unread
    2027: Verdict.CONNECTION_DEAD,  # malformed packet
    1152: Verdict.CONNECTION_DEAD,  # this and the next: SQLSTATE 08S01, communication link failure. Aborted connection
    1156: Verdict.CONNECTION_DEAD,  # packets out of order
    1157: Verdict.CONNECTION_DEAD,  # a packet that cannot be uncompressed
    1158: Verdict.CONNECTION_DEAD,  # the server could not read
    1159: Verdict.CONNECTION_DEAD,  # … within net_read_timeout
    1160: Verdict.CONNECTION_DEAD,  # the server could not write
    1161: Verdict.CONNECTION_DEAD,  # … within net_write_timeout
    1184: Verdict.CONNECTION_DEAD,  # aborted connection, with its user and host
    1180: Verdict.CONNECTION_DEAD,  # error during COMMIT, of an engine, the binlog or Galera: kept elsewhere, perhaps
    4031: Verdict.CONNECTION_DEAD,  # MySQL 8.0.24: closed for inactivity (wait_timeout)
    9001: Verdict.CONNECTION_DEAD,  # ProxySQL: no server of the hostgroup was reached; TiDB: nor its placement driver
    "08000": Verdict.CONNECTION_DEAD,  # PostgreSQL and the proxies before it: connection exception
    "08003": Verdict.CONNECTION_DEAD,  # … does not exist
    "08006": Verdict.CONNECTION_DEAD,  # … failure
    "08007": Verdict.CONNECTION_DEAD,  # … and nobody knows what became of the transaction
    "08P01": Verdict.CONNECTION_DEAD,  # … protocol violation: what PgBouncer says of all that goes wrong with it
    "40003": Verdict.CONNECTION_DEAD,  # statement completion unknown; CockroachDB: of COMMIT as well
    "57P04": Verdict.CONNECTION_DEAD,  # PostgreSQL: the database was dropped
    "57P05": Verdict.CONNECTION_DEAD,  # PostgreSQL 14: idle_session_timeout
    "25P03": Verdict.CONNECTION_DEAD,  # PostgreSQL: idle_in_transaction_session_timeout
    "25P04": Verdict.CONNECTION_DEAD,  # PostgreSQL 17: transaction_timeout
    10: Verdict.CONNECTION_DEAD,  # SQLite: I/O error
    11: Verdict.CONNECTION_DEAD,  # SQLite: corrupt
    14: Verdict.CONNECTION_DEAD,  # SQLite: cannot open
    26: Verdict.CONNECTION_DEAD,  # SQLite: not a database
    1053: Verdict.ALL_DEAD,  # MySQL, MariaDB: server shutdown in progress
    "57P01": Verdict.ALL_DEAD,  # PostgreSQL: admin shutdown (pg_terminate_backend says so too)
    "57P02": Verdict.ALL_DEAD,  # PostgreSQL: crash of another session
    "57P03": Verdict.ALL_DEAD,  # PostgreSQL: starting up or shutting down
    1290: Verdict.READ_ONLY,  # --read-only, --super-read-only
    1792: Verdict.READ_ONLY,  # in a READ ONLY transaction
    1836: Verdict.READ_ONLY,  # innodb_read_only
    "25006": Verdict.READ_ONLY,  # PostgreSQL: a standby
    8: Verdict.READ_ONLY,  # SQLite: the file
    1047: Verdict.NOT_READY,  # Galera: "WSREP has not yet prepared node": outside the majority, or without its data
    3100: Verdict.NOT_READY,  # MySQL: a hook refused COMMIT, as Group Replication's does in a member without its group
    1205: Verdict.TRY_AGAIN,  # lock wait timeout: only the statement was rolled back. Galera: wsrep_sync_wait as well
    1213: Verdict.TRY_AGAIN,  # deadlock: the transaction was rolled back. Galera: at COMMIT, another node was first
    1020: Verdict.TRY_AGAIN,  # MariaDB, innodb_snapshot_isolation: another one changed the row; all was rolled back
    3101: Verdict.TRY_AGAIN,  # MySQL Group Replication: another member was first; COMMIT was a ROLLBACK
    3572: Verdict.TRY_AGAIN,  # MySQL: NOWAIT, and the row is locked (1205 in MariaDB, 55P03 in PostgreSQL)
    8002: Verdict.TRY_AGAIN,  # TiDB: conflict at COMMIT after SELECT … FOR UPDATE
    8005: Verdict.TRY_AGAIN,  # TiDB: write conflict
    8022: Verdict.TRY_AGAIN,  # TiDB: COMMIT failed and was rolled back; may be repeated
    9007: Verdict.TRY_AGAIN,  # TiDB: write conflict, in TiKV
    "40001": Verdict.TRY_AGAIN,  # PostgreSQL: serialization failure
    "40P01": Verdict.TRY_AGAIN,  # PostgreSQL: deadlock
    "55P03": Verdict.TRY_AGAIN,  # PostgreSQL: lock_timeout
    5: Verdict.TRY_AGAIN,  # SQLite: busy
    6: Verdict.TRY_AGAIN,  # SQLite: locked
    1317: Verdict.INTERRUPTED,  # KILL QUERY, and KILL while a statement runs
    9: Verdict.INTERRUPTED,  # SQLite: interrupted
    1153: Verdict.TOO_MUCH,  # max_allowed_packet
    2020: Verdict.TOO_MUCH,  # … of the client (mysqlclient)
    1969: Verdict.TIMED_OUT,  # MariaDB: max_statement_time
    3024: Verdict.TIMED_OUT,  # MySQL: max_execution_time
    "57014": Verdict.TIMED_OUT,  # PostgreSQL: statement_timeout, pg_cancel_backend
    1267: Verdict.REFUSED,  # MariaDB, of =, and 1270 and 1271 of IN: the column's character set lacks a character
    1270: Verdict.REFUSED,
    1271: Verdict.REFUSED,
    3854: Verdict.REFUSED,  # MySQL: the same
}

REFUSES_COMMIT = {Verdict.READ_ONLY, Verdict.NOT_READY}
"""A no, and an answer: nothing was kept. The connection is good, but leads to the wrong server."""

CLOSES_CONNECTION = REFUSES_COMMIT | {
    Verdict.CONNECTION_DEAD,
    Verdict.ALL_DEAD,
    Verdict.INTERRUPTED,
    Verdict.TOO_MUCH,
}
"""What leaves a connection of no use."""

CONCERNS_ALL = {Verdict.ALL_DEAD, Verdict.READ_ONLY}
"""What holds for every connection that is open by now. Not NOT_READY: behind a proxy the others lead to other nodes."""

WORTH_ANOTHER_READ = {
    Verdict.CONNECTION_DEAD,
    Verdict.ALL_DEAD,
    Verdict.NOT_READY,
    Verdict.TRY_AGAIN,
    Verdict.INTERRUPTED,
}
"""A read changes nothing: it may be sent again whatever became of the first time."""

MAY_PASS = WORTH_ANOTHER_READ | {Verdict.READ_ONLY}


def judge(error: BaseException | None, dialect: Dialect | None = None) -> Verdict:
    """Return what an error of SQLAlchemy's means or, of a dialect, a driver's; any other is a mistake.

    What its first argument is counts for nothing unless a driver has raised it: KeyError(1053) is no shutdown.
    """
    if isinstance(error, TransactionLostError):
        return Verdict.TRY_AGAIN
    if isinstance(error, exc.DBAPIError):
        verdict = _judge(error.orig) if _is_of_a_driver(error.orig) else Verdict.MISTAKE
        return Verdict.CONNECTION_DEAD if error.connection_invalidated and verdict is Verdict.MISTAKE else verdict
    if dialect is None or not isinstance(error, dialect.loaded_dbapi.Error):
        return Verdict.MISTAKE
    return _judge(error)


def _is_of_a_driver(error: BaseException | None) -> bool:
    """Tell it by the name that PEP 249 gives to what all of a driver's errors derive from."""
    return any(each.__name__ == "Error" for each in type(error).__mro__)


def _judge(error: BaseException | None) -> Verdict:
    code = code_of(error)
    if code in VERDICTS:
        return VERDICTS[code]
    # PEP 249 names the classes alike in all drivers.
    names = {each.__name__ for each in type(error).__mro__}
    if "InternalError" in names and code is None:  # PyMySQL: packet sequence number wrong
        return Verdict.CONNECTION_DEAD
    return Verdict.REFUSED if names & {"IntegrityError", "DataError"} else Verdict.MISTAKE


def ran_out_of_time(verdict: Verdict, overdue: bool) -> bool:
    """Tell whether an error comes from the deadline, by the server's clock or by ours.

    A no that came all the same, such as SQLite's "busy" just after the deadline, is an answer.
    """
    return verdict is Verdict.TIMED_OUT or (overdue and verdict is not Verdict.TRY_AGAIN)


def is_lost(error: BaseException, connection: Any, dialect: Dialect) -> bool:
    """Tell whether an error leaves a driver's connection of no use: dead, or in the middle of an answer."""
    if not isinstance(error, dialect.loaded_dbapi.Error):
        return True  # whatever it was, it came in between
    return judge(error, dialect) in CLOSES_CONNECTION or dialect.is_disconnect(error, connection, None)


def unwrapped(error: BaseException) -> BaseException:
    """Return the pool's own error where SQLAlchemy wraps it: it replaces a lost connection within a statement."""
    inner = error.orig if isinstance(error, exc.StatementError) else None
    return inner if isinstance(inner, PoolError) else error


def is_busy(error: BaseException) -> bool:
    """Tell whether a statement failed because others held what it needs: the database is there."""
    return isinstance(error, exc.DBAPIError) and judge(error) is Verdict.TRY_AGAIN


def is_refused(error: BaseException) -> bool:
    """Tell whether the data do not allow what a statement wanted."""
    return judge(error) is Verdict.REFUSED


def is_denied(error: BaseException) -> bool:
    """Tell whether the database knows this user and does not allow what the statement needs."""
    return isinstance(error, exc.DBAPIError) and code_of(error.orig) in DENIED


def is_unavailable(error: BaseException) -> bool:
    """Tell whether the database is away: not reached, lost on the way, interrupted, or too busy with others.

    SQLAlchemy wraps what a driver raises while connecting without a statement; and what COMMIT refuses, too.
    """
    if isinstance(error, exc.DBAPIError):
        verdict = judge(error)
        return verdict in MAY_PASS or (error.statement is None and verdict is not Verdict.REFUSED)
    return isinstance(error, DatabaseDownError)


DENIED = {
    1044,  # this database
    1142,  # this table
    1143,  # this column
    1227,  # this statement
    1345,  # EXPLAIN, of a view's tables
    1356,  # a view's tables: to its owner, perhaps
    1370,  # this routine
    1449,  # a view's owner, who is no more
    "42501",  # PostgreSQL: insufficient privilege
}

SERVER_IS_FULL = {
    1040,  # max_connections
    1135,  # no more threads
    1203,  # max_user_connections, for all users
    1226,  # this user's own
    "53300",  # PostgreSQL: max_connections, or the limit of a role or database
}
FULL_IN_WORDS = re.compile(
    "(clients already|too many (tcp )?connections|connection slots are|no more connections allowed|max clients reached|"
    "max client connections)",
    re.IGNORECASE,
)
"""psycopg has no SQLSTATE for a connect that is refused. The last ones are those of poolers before PostgreSQL."""


def is_full(error: BaseException, dialect: Dialect) -> bool:
    """Tell whether a connect was refused because the server, or a limit of this user, has no room for more."""
    if not isinstance(error, dialect.loaded_dbapi.Error):
        return False
    code = code_of(error)
    return code in SERVER_IS_FULL if code is not None else FULL_IN_WORDS.search(str(error)) is not None
