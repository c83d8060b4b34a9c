"""The drivers: one file each, over what those of its database share. A new driver is a new file and a line here."""

from steadypool.drivers.driver import Call, Driver, Greeting, Role
from steadypool.drivers.mysql import MySQL
from steadypool.drivers.mysqlconnector import MySQLConnector
from steadypool.drivers.mysqldb import MySQLdb
from steadypool.drivers.postgresql import PostgreSQL
from steadypool.drivers.psycopg import Psycopg
from steadypool.drivers.pymysql import PyMySQL
from steadypool.drivers.sqlite import SQLite

__all__ = ["Call", "Driver", "Greeting", "Role", "code_of", "driver_named", "driver_of", "register"]

_drivers: dict[tuple[str, str], type[Driver]] = {
    ("mysql", "pymysql"): PyMySQL,
    ("mysql", "mysqldb"): MySQLdb,
    ("mysql", "mysqlconnector"): MySQLConnector,
    ("postgresql", "psycopg"): Psycopg,
    ("sqlite", "pysqlite"): SQLite,
}
_by_module: dict[str, type[Driver]] = {kind.module: kind for kind in _drivers.values()}
_databases: dict[str, type[Driver]] = {"mysql": MySQL, "postgresql": PostgreSQL, "sqlite": SQLite}


def driver_named(database: str, driver: str) -> type[Driver]:
    """Return the class for a driver, by SQLAlchemy's names; for an unknown one what is known of its database.

    A driver is the same for whatever speaks its database's protocol: `cockroachdb+psycopg`, `tidb+pymysql`.
    """
    by_name = {name: kind for (_, name), kind in _drivers.items()}
    return _drivers.get((_own(database), driver)) or by_name.get(driver) or _databases.get(_own(database), Driver)


def register(database: str, driver: str, kind: type[Driver]) -> None:
    """Have a class of one's own used for a driver, by SQLAlchemy's names: ("postgresql", "pg8000")."""
    _drivers[_own(database), driver] = kind
    _by_module[kind.module] = kind


def _own(database: str) -> str:
    return "mysql" if database == "mariadb" else database


class _Unknown(Driver):
    """Whatever nobody has registered: its codes are those of one of these databases, and none has another's."""

    kinds = MySQL.kinds | PostgreSQL.kinds | SQLite.kinds


def driver_of(error: BaseException) -> type[Driver]:
    """Return whose error it is."""
    kinds = (_by_module.get(each.__module__.partition(".")[0]) for each in type(error).__mro__)
    return next((kind for kind in kinds if kind), _Unknown)


def code_of(error: BaseException | None) -> int | str | None:
    """Return the number or SQLSTATE of a driver's error, None where it has none."""
    return None if error is None else driver_of(error).code(error)
