"""What all drivers of MySQL and MariaDB share."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Any, NamedTuple

from steadypool.core.classify import ErrorKind
from steadypool.core.wire import Wire
from steadypool.drivers.driver import Call, Driver, Greeting

# MySQL: dev.mysql.com/doc/mysql-errors (server 1xxx, 3xxx, 4xxx; client 2xxx) · MariaDB: mariadb.com/kb "Error Codes" ·
# TiDB: docs.pingcap.com/error-codes
KINDS: dict[int | str, ErrorKind] = {
    0: ErrorKind.CONNECTION_DEAD,  # PyMySQL and mysqlclient: InterfaceError(0, ''), closed already
    1927: ErrorKind.CONNECTION_DEAD,  # MariaDB: connection was killed
    2006: ErrorKind.CONNECTION_DEAD,  # server has gone away (the write failed)
    2013: ErrorKind.CONNECTION_DEAD,  # lost connection during query (the read failed)
    2014: ErrorKind.CONNECTION_DEAD,  # commands out of sync: something is left unread
    2027: ErrorKind.CONNECTION_DEAD,  # malformed packet
    1152: ErrorKind.CONNECTION_DEAD,  # this and the next: SQLSTATE 08S01, communication link failure; aborted
    1156: ErrorKind.CONNECTION_DEAD,  # packets out of order
    1157: ErrorKind.CONNECTION_DEAD,  # a packet that cannot be uncompressed
    1158: ErrorKind.CONNECTION_DEAD,  # the server could not read
    1159: ErrorKind.CONNECTION_DEAD,  # … within net_read_timeout
    1160: ErrorKind.CONNECTION_DEAD,  # the server could not write
    1161: ErrorKind.CONNECTION_DEAD,  # … within net_write_timeout
    1184: ErrorKind.CONNECTION_DEAD,  # aborted connection, with its user and host
    1180: ErrorKind.CONNECTION_DEAD,  # error during COMMIT, of an engine, the binlog or Galera: kept elsewhere, perhaps
    4031: ErrorKind.CONNECTION_DEAD,  # MySQL 8.0.24: closed for inactivity (wait_timeout)
    9001: ErrorKind.CONNECTION_DEAD,  # ProxySQL: no server of the hostgroup was reached; TiDB: nor its placement driver
    1053: ErrorKind.ALL_DEAD,  # MySQL, MariaDB: server shutdown in progress
    1290: ErrorKind.READ_ONLY,  # --read-only, --super-read-only
    1792: ErrorKind.READ_ONLY,  # in a READ ONLY transaction
    1836: ErrorKind.READ_ONLY,  # innodb_read_only
    1047: ErrorKind.NOT_READY,  # Galera: "WSREP has not yet prepared node": outside the majority, or without its data
    3100: ErrorKind.NOT_READY,  # MySQL: a hook refused COMMIT, as Group Replication does in a member without its group
    3781: ErrorKind.NOT_READY,  # Group Replication: a new primary that did not catch up held it; so 3782 and 3783
    3782: ErrorKind.NOT_READY,
    3783: ErrorKind.NOT_READY,
    3796: ErrorKind.NOT_READY,  # … with group_replication_consistency, and this member is in no state to wait
    3797: ErrorKind.NOT_READY,  # … or the wait failed; so 3798
    3798: ErrorKind.NOT_READY,
    3799: ErrorKind.NOT_READY,  # … or it is just leaving its group
    4094: ErrorKind.NOT_READY,  # … while the primary changes at will: nobody may begin anything here
    1205: ErrorKind.TRY_AGAIN,  # lock wait timeout: only the statement was rolled back. Galera: wsrep_sync_wait as well
    1213: ErrorKind.TRY_AGAIN,  # deadlock: the transaction was rolled back. Galera: at COMMIT, another node was first
    1020: ErrorKind.TRY_AGAIN,  # MariaDB, innodb_snapshot_isolation: another one changed the row; all was rolled back
    3101: ErrorKind.TRY_AGAIN,  # MySQL Group Replication: another member was first; COMMIT was a ROLLBACK
    3572: ErrorKind.TRY_AGAIN,  # MySQL: NOWAIT, and the row is locked (1205 in MariaDB, 55P03 in PostgreSQL)
    8002: ErrorKind.TRY_AGAIN,  # TiDB: conflict at COMMIT after SELECT … FOR UPDATE
    8005: ErrorKind.TRY_AGAIN,  # TiDB: write conflict
    8022: ErrorKind.TRY_AGAIN,  # TiDB: COMMIT failed and was rolled back; may be repeated
    9007: ErrorKind.TRY_AGAIN,  # TiDB: write conflict, in TiKV
    1317: ErrorKind.INTERRUPTED,  # KILL QUERY, and KILL while a statement runs
    1153: ErrorKind.TOO_MUCH,  # max_allowed_packet
    2020: ErrorKind.TOO_MUCH,  # … of the client (mysqlclient)
    1969: ErrorKind.TIMED_OUT,  # MariaDB: max_statement_time
    3024: ErrorKind.TIMED_OUT,  # MySQL: max_execution_time
    1267: ErrorKind.REFUSED,  # MariaDB, of =, and 1270 and 1271 of IN: the column's character set lacks a character
    1270: ErrorKind.REFUSED,
    1271: ErrorKind.REFUSED,
    3854: ErrorKind.REFUSED,  # MySQL: the same
    1044: ErrorKind.DENIED,  # this database
    1142: ErrorKind.DENIED,  # this table
    1143: ErrorKind.DENIED,  # this column
    1227: ErrorKind.DENIED,  # this statement
    1345: ErrorKind.DENIED,  # EXPLAIN, of a view's tables
    1356: ErrorKind.DENIED,  # a view's tables: to its owner, perhaps
    1370: ErrorKind.DENIED,  # this routine
    1449: ErrorKind.DENIED,  # a view's owner, who is no more
    1040: ErrorKind.FULL,  # max_connections
    1135: ErrorKind.FULL,  # no more threads
    1203: ErrorKind.FULL,  # max_user_connections, for all users
    1226: ErrorKind.FULL,  # this user's own
}

REFUSES_OPTION = {
    1054,  # no such column; this and many of the next ones: what an init_command asks for
    1064,  # a syntax error
    1115,  # no such character set
    1146,  # no such table
    1193,  # no such variable
    1227,  # … which this user may not set
    1229,  # … which is the server's own
    1231,  # … which cannot have this value: sql_mode
    1232,  # … of another type
    1238,  # … which can only be read
    1253,  # a collation of another character set
    1273,  # no such collation
    1298,  # no such time zone
    1305,  # no such function or procedure
}
"""How the server refuses, once somebody is logged in, what an option has said of the session."""

REFUSES_LOGIN = frozenset(
    {
        1045,  # wrong user or password
        1698,  # … in which no password is asked for
        1862,  # the password has expired
    }
)
MARIADB_POSITION = "IF(@@wsrep_on, WSREP_LAST_SEEN_GTID(), @@GLOBAL.gtid_binlog_pos)"
"""In a Galera cluster it is that of its last transaction, the same on all nodes."""
_NUMBER = "CAST(SUBSTRING_INDEX({}, '-', -1) AS UNSIGNED)"
MARIADB_REACHED = (
    f"IF(@@wsrep_on, {_NUMBER.format('WSREP_LAST_SEEN_GTID()')} >= {_NUMBER.format('%s')},"
    " IF(%s REGEXP CONCAT('^[0-9]+-', @@server_id, '-[0-9]+$'), 1, MASTER_GTID_WAIT(%s, %s) = 0))"
)
"""Galera's own way to wait counts whole seconds, and ends in an error. The server that wrote it would wait in vain."""
SERVER_STATUS_IN_TRANS = 1
"""A flag of the protocol, in each answer that is no error."""

ER_NO_SUCH_THREAD, ER_UNKNOWN_SYSTEM_VARIABLE = 1094, 1193
WHICH_MYSQL = "@@hostname, @@port, @@server_uuid"
WHICH_MARIADB = "@@hostname, @@port, @@server_id, @@datadir /*M!101109 , @@server_uid */"
"""What tells a server from all others. MariaDB reads the comment from 10.11.9 on, which is as old as the variable."""
CLOCK_SECONDS = 1.0
"""A server counts its age in whole seconds."""


class Session(NamedTuple):
    """A connection as its server knows it: it gives no number twice, until it is started anew."""

    number: int
    server: Mapping[str, Any]
    """What its variables say that tell which one it is, by their names."""
    known_since: float
    """On our monotonic clock."""


class MySQL(Driver):
    """MySQL or MariaDB."""

    kinds = KINDS
    login_codes = REFUSES_LOGIN
    arrives_unseen = True

    def introduce(self, connection: Any, *, is_mariadb: bool) -> Greeting:
        """Set the session's limits, and ask for `wait_timeout` and whose connection it is: two commands."""
        seconds = self.policy.statement_seconds
        limit = (
            f"max_statement_time = {seconds:.3f}"
            if is_mariadb
            else f"max_execution_time = {seconds * 1000:.0f}"  # of SELECT only
        )
        cursor = connection.cursor()
        cursor.execute(f"SET SESSION {limit}, innodb_lock_wait_timeout = {max(1, math.floor(seconds))}")
        which = WHICH_MARIADB if is_mariadb else WHICH_MYSQL
        try:
            # The number as a variable, too: ProxySQL lets go of a server's connection after a plain list of those.
            cursor.execute(f"SELECT @@wait_timeout, @@pseudo_thread_id, {which}")
        except Exception as error:
            if self.code(error) != ER_UNKNOWN_SYSTEM_VARIABLE:
                raise
            cursor.execute("SELECT @@wait_timeout, 0")  # whoever else speaks MySQL's protocol
        (wait_timeout, number), server = _split(cursor, 2)
        cursor.close()
        session = Session(int(number), server, monotonic()) if server else None
        return Greeting(float(wait_timeout), session)

    def end(self, sessions: list[Any], connect: Callable[[], Any]) -> None:
        """End them with KILL, which rolls back at once and lets no procedure go on; one's own need no privilege."""
        cursor = connect().cursor()
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Uptime'")
        ((_, uptime),) = cursor.fetchall()
        started = monotonic() - float(uptime) + CLOCK_SECONDS
        names = ", ".join(sessions[0].server)
        cursor.execute(f"SELECT {names}")
        _, server = _split(cursor, 0)
        marks = ", ".join(["%s"] * len(server))
        for session in [each for each in sessions if each.server == server and each.known_since > started]:
            try:
                # Once more in the same statement: a proxy may send each elsewhere. Nobody has the number 0.
                cursor.execute(f"KILL IF(({names}) = ({marks}), {session.number}, 0)", tuple(server.values()))
            except Exception as error:
                if self.code(error) != ER_NO_SUCH_THREAD:  # which is over
                    continue
            sessions.remove(session)

    def position(self, connection: Any, *, is_mariadb: bool) -> str | None:
        """Return it of the server, not of the session: who changed nothing would be told of an older one."""
        cursor = connection.cursor()
        cursor.execute(f"SELECT {MARIADB_POSITION if is_mariadb else '@@GLOBAL.gtid_executed'}")
        (position,) = cursor.fetchall()[0]
        cursor.close()
        return re.sub(r"\s", "", position or "") or None

    def reached(self, position: str, seconds: float, *, is_mariadb: bool) -> tuple[str, tuple[Any, ...]]:
        """Return the server's own way to wait for a GTID."""
        if is_mariadb:
            return f"SELECT {MARIADB_REACHED}", (position, position, position, seconds)
        if not seconds:  # which would wait for ever
            return "SELECT GTID_SUBSET(%s, @@GLOBAL.gtid_executed)", (position,)
        return "SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s) = 0", (position, seconds)

    def open(self, call: Call, seconds: float, note: Callable[[Wire], None]) -> Any:
        """Open it, and see that TLS that is a must is there: two drivers connect without, and say nothing."""
        if self.policy.tls in ("require", "verify"):
            call = replace(call, connect=partial(_in_tls, call))
        return super().open(call, seconds, note)

    def is_in_transaction(self, connection: Any) -> bool:
        """Tell it by the status that came with the last answer, where the driver keeps it."""
        return bool(getattr(connection, "server_status", 0) & SERVER_STATUS_IN_TRANS)

    def refuses_option(self, dbapi: Any, error: Exception) -> bool:
        """Tell it by the code as well."""
        return super().refuses_option(dbapi, error) or self.code(error) in REFUSES_OPTION


def _split(cursor: Any, first: int) -> tuple[Sequence[Any], dict[str, Any]]:
    """Return the first values of the one row, and the rest of it by the columns' names."""
    names, row = [column[0] for column in cursor.description], cursor.fetchall()[0]
    return row[:first], dict(zip(names[first:], row[first:], strict=True))


def _in_tls(call: Call, *positional: Any, **arguments: Any) -> Any:
    connection = call.connect(*positional, **arguments)
    try:
        cursor = connection.cursor()
        cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
        ((_, cipher),) = cursor.fetchall()
        cursor.close()
        if not cipher:
            raise call.dbapi.NotSupportedError("TLS is a must, and this server does not offer it to this driver")
    except BaseException:
        call.close(connection)
        raise
    return connection
