"""What stands behind the ? of a database URL: the driver is asked whether it takes it, without a connection."""

import difflib
import importlib
import inspect
import ipaddress
import re
import sqlite3
from typing import Any
from urllib.parse import quote

from sqlalchemy.engine import URL

from settings.drivers import DRIVERS
from settings.problems import RefusedError

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


def check_options(url: URL) -> None:
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
