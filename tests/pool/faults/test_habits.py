"""What people do with a pool that it was not made for: it does it rightly, or says why not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, make_url, text

from steadypool import DatabaseMisconfiguredError, PoolPolicy, create_pool_engine, in_transaction
from testkit.databases import Database
from testkit.drivers import MYSQLDB
from tests.pool.service import Service
from tests.support.kinds import on_each_driver, on_mariadb, on_mysql_family
from tests.support.ledger import Unit, Witness
from tests.support.pools import steady

CIPHER = text("SHOW STATUS LIKE 'Ssl_cipher'")


@on_mysql_family
@pytest.mark.parametrize("driver", ["mysqlconnector", MYSQLDB])
def test_tls_that_is_a_must_is_there_or_nothing_is(seeded: Database, driver: str) -> None:
    """Neither driver says a word where the server has none, as MariaDB 10.11 by itself."""
    url = make_url(seeded.url)
    url = url.set(drivername=f"{url.get_backend_name()}+{driver}")
    engine = create_pool_engine(url, PoolPolicy(tls="require"), role="reader")
    if offers_tls(seeded.url):
        with engine.connect() as connection:
            assert connection.execute(CIPHER).one()[1]
    else:
        with pytest.raises(DatabaseMisconfiguredError, match="TLS is a must"):
            engine.connect()
    engine.dispose()


def offers_tls(url: str) -> bool:
    """Tell whether a server offers TLS, by what it says to a client that would take it."""
    engine = create_pool_engine(url, PoolPolicy(tls="prefer"), role="reader")
    with engine.connect() as connection:
        cipher = connection.execute(CIPHER).one()[1]
    engine.dispose()
    return bool(cipher)


def by_its_role(service: Service) -> Engine:
    return service.reader


def by_an_option(service: Service) -> Engine:
    return service.writer.execution_options(isolation_level="AUTOCOMMIT")


@on_mariadb
@pytest.mark.parametrize("in_autocommit", [by_its_role, by_an_option])
def test_a_unit_of_work_is_not_begun_where_each_statement_is_kept_at_once(
    service: Service, witness: Witness, in_autocommit: Callable[[Service], Engine]
) -> None:
    unit = Unit()

    with pytest.raises(ValueError, match="in autocommit each statement is kept at once"):
        in_transaction(in_autocommit(service), unit)

    assert (unit.begun, witness.times(unit)) == (0, 0)


@on_mariadb
@pytest.mark.parametrize("level", ["READ UNCOMMITTED", "SERIALIZABLE"])
def test_an_isolation_level_on_a_reader_is_met_by_nobody_else(service: Service, level: str) -> None:
    """SQLAlchemy goes back to AUTOCOMMIT and leaves the level in the session."""
    with service.reader.connect().execution_options(isolation_level=level) as connection:
        connection.execute(text("SELECT 1").execution_options(leaves_no_trace=True))

    assert steady(service.reader).snapshot()["closed"] == {"changed": 1}


@on_each_driver
def test_a_reader_whose_level_stays_autocommit_is_kept(service: Service) -> None:
    with service.reader.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SELECT 1").execution_options(leaves_no_trace=True))

    assert steady(service.reader).snapshot()["closed"] == {}
