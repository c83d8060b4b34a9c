"""What a database has said when it refused, in a sentence, and what to do about it: by its code where there is one."""

import re
import socket

from sqlalchemy.exc import DBAPIError, StatementError

from app.logging import redacted
from steadypool import DatabaseMisconfiguredError, DeadlineExceededError, PoolError, code_of

SILENT = {0, 2002, 2003, 2005, 2006, 2013, 2055}
"""Of MySQL's drivers: nobody answered, or hung up (MySQL's client error reference). All others are answers."""

SILENT_WORDS = re.compile(
    r"^(?!.*FATAL).*(Connection refused|translate host name|resolve|Name or service|name resolution|No such file"
    r"|timeout expired|timed out|within [\d.]+ s|unreachable|No route|closed the connection unexpectedly|reset by peer)"
)
"""The same in the words of libpq and the system; whatever else comes while connecting was said by the server."""

UNKNOWN_NAME = re.compile(r"translate host name|resolve|Name or service|name resolution|Unknown.* host|getaddrinfo")
TLS_WORDS = re.compile(r"\bSSL|\bTLS|certificate")
TOOK_TOO_LONG = re.compile(r"time(d out|out expired)|within [\d.]+ s")

LOGIN = "correct user and password in {name}"
START = "start the server, or correct host and port in {name}"
FOREIGN = "that is no PostgreSQL: correct host and port in {name}"
FULL = "the server is full: see budget"
OWN_LIMIT = "the limit is this user's own: ALTER USER … WITH a higher one of what is named (0 for none)"
UNLOCK = "the account is locked: ALTER USER … ACCOUNT UNLOCK"
RENEW = "the password has expired: ALTER USER … IDENTIFIED BY a new one, and write it into {name}"
PLUGIN = "the user logs in by other means than this driver's: ALTER USER … IDENTIFIED BY a password, or another driver"
GRANT = "GRANT the user in {name} what it asks for"
CANNOT_WRITE = "nothing can be written here: point DATABASE_URL at the primary server, or make file and folder writable"
ROOM = "make room on the server's disk"
OTHER_TABLES = "the tables are not what this code knows: see ./run doctor"
BUSY = "others hold what it needs: try again"

# MySQL and MariaDB: their error references · PostgreSQL: Appendix A · SQLite: sqlite.org/rescode.html, the low byte
REMEDIES: dict[int | str | None, str] = {
    **dict.fromkeys((1040, 1203, "53300"), FULL),
    **dict.fromkeys((4151, 3118), UNLOCK),
    **dict.fromkeys((1820, 1862), RENEW),
    **dict.fromkeys((1251, 1524, 1698, 2054, 2059), PLUGIN),
    **dict.fromkeys((1142, 1143, 1227, 1370, "42501"), GRANT),
    **dict.fromkeys((1290, 1792, 1836, "25006", 8), CANNOT_WRITE),
    **dict.fromkeys((1021, 1114, "53100", 13), ROOM),
    **dict.fromkeys((1054, 1146, "42703", "42P01"), OTHER_TABLES),
    **dict.fromkeys((1205, 1213, "40001", "40P01", "55P03", 5, 6), BUSY),
    1044: "GRANT the user access to this database",
    1045: f"{LOGIN} (or it needs a client certificate, or comes from another host)",
    1049: "create the database, or correct its name in {name}",
    1129: "logins from here were broken off: FLUSH HOSTS (new MySQL: TRUNCATE TABLE performance_schema.host_cache)",
    1130: "the server knows no user from this host: CREATE USER 'user'@'this host' or 'user'@'%'",
    1226: OWN_LIMIT,
    2061: "the user needs TLS to log in: DATABASE_TLS must not be off",
    3159: "the server wants TLS: DATABASE_TLS must not be off",
    3955: "something logs in with a wrong password: correct it there and in {name}, then ALTER USER … ACCOUNT UNLOCK",
    14: "./run serve makes the built-in file; otherwise correct the path in {name}",
    26: "that file is no SQLite database: correct the path in {name}",
}

# What PostgreSQL says before anybody is logged in: libpq passes on the words, not the code.
SAID_AT_LOGIN = {
    r"no pg_hba.conf entry.*(no encryption|SSL off)": "see DATABASE_TLS, and pg_hba.conf for this user and host",
    r"no pg_hba.conf entry|pg_hba.conf rejects": "let this user come from this host: pg_hba.conf",
    r"not permitted to log in": "ALTER ROLE … LOGIN",
    r"authentication failed|no password supplied|role .* does not exist": LOGIN,
    r"permission denied for database": "GRANT the user access to this database",
    r"database .* does not exist": "create the database, or correct its name in {name}",
    r"is not currently accepting connections": "ALTER DATABASE … ALLOW_CONNECTIONS true, or another database in {name}",
    r"too many connections for role": "the limit is this role's own: ALTER ROLE … CONNECTION LIMIT a higher one",
    r"too many connections for database": "the limit is this database's own: ALTER DATABASE … CONNECTION LIMIT",
    r"too many (clients|connections)|slots are reserved": FULL,
    r"invalid response to SSL negotiation|expected authentication request": FOREIGN,
    r"starting up|shutting down|recovery|not (yet )?accepting": "wait until the server is ready",
}


def sentence(error: DBAPIError | PoolError) -> str:
    """Return what happened and what to do about it; a silent database "cannot be reached", and no other."""
    if isinstance(error, DeadlineExceededError):
        return f"{error} (REQUEST_DEADLINE_SECONDS gives it more time)"
    if isinstance(error, PoolError):
        return str(error)
    happened = "refuses" if answered(error) else "cannot be reached"
    what_now = remedy(error).format(name="DATABASE_URL")
    return f"the database {happened}: {said(error)}" + (f"; {what_now}" if what_now else "")


def said(error: BaseException) -> str:
    """Return the first line of what the driver said, without any password."""
    return redacted(str(_drivers(error)).strip().partition("\n")[0])


def answered(error: BaseException) -> bool:
    """Tell whether somebody answered, be it with a no."""
    drivers = _drivers(error)
    code = _code(drivers)
    if code is not None and code not in SILENT:
        return True
    return bool(TLS_WORDS.search(str(drivers))) or (code is None and not SILENT_WORDS.search(str(drivers)))


def remedy(error: BaseException) -> str:
    """Return what to do about it, `{name}` for the setting with the address; "" where only the database knows."""
    drivers = _drivers(error)
    if not _is_drivers(drivers) or (isinstance(error, DatabaseMisconfiguredError) and not isinstance(drivers, OSError)):
        return "install what it asks for, or correct what stands behind the ? in {name}"
    code = _code(drivers)
    if code in REMEDIES:
        return REMEDIES[code]
    if not answered(error):
        return _remedy_for_silence(drivers)
    found = (what for words, what in SAID_AT_LOGIN.items() if code is None and re.search(words, str(drivers)))
    return next(found, "see DATABASE_TLS and DATABASE_TLS_CA" if TLS_WORDS.search(str(drivers)) else "")


def _remedy_for_silence(error: BaseException) -> str:
    if isinstance(error.__cause__, socket.gaierror) or UNKNOWN_NAME.search(str(error)):
        return "no name server knows that host: correct it in {name}"
    if isinstance(error.__cause__, TimeoutError) or TOOK_TOO_LONG.search(str(error)):
        return f"{START}; a firewall may swallow what is sent, or another kind of server waits there to be greeted"
    return START


def _drivers(error: BaseException) -> BaseException:
    """Return what the driver raised."""
    inner = error.orig if isinstance(error, StatementError) else error.__cause__
    return inner or error


def _code(error: BaseException) -> int | str | None:
    code = code_of(error)
    return None if code == -1 else code  # mysql-connector's for what has none


def _is_drivers(error: BaseException) -> bool:
    # PEP 249 names the classes alike in all drivers.
    return isinstance(error, OSError) or "Error" in {each.__name__ for each in type(error).__mro__}
