"""Which drivers a database URL may name, and whether they are there."""

import importlib.util

from sqlalchemy.engine import URL

from settings.problems import RefusedError

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


def with_driver(url: URL) -> URL:
    """Return the URL with its driver spelt out, by default ours; raise `RefusedError`."""
    backend, _, driver = url.drivername.replace("postgres+", "postgresql+").partition("+")
    backend = "postgresql" if backend == "postgres" else backend
    drivers = DRIVERS.get(backend, {})
    driver = driver or next(iter(drivers), "")
    if driver not in drivers:
        supported = ", ".join(f"{name}+{driver}" for name, drivers in DRIVERS.items() for driver in drivers)
        raise RefusedError("names a database or a driver that is not supported", f"start it with one of {supported}")
    module, package = drivers[driver]
    if not is_installed(module):
        raise RefusedError(f"needs {package}, which is not installed", f"pip install {package}, or name another driver")
    return url.set(drivername=backend if backend == "sqlite" else f"{backend}+{driver}")


def is_installed(module: str) -> bool:
    """Tell whether a module could be imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it is missing
        return False
