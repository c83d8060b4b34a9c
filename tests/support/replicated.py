"""A primary with its replica for the tests of a session, and the service's tables on both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testkit import replicas
from testkit.databases import Database
from testkit.fault_servers import Kind, seeded_database
from testkit.leaving_out import leave_out
from testkit.replicas import Replicated
from testkit.servers import MissingError


@pytest.fixture(scope="session", params=[Kind.MARIADB, Kind.MYSQL, Kind.POSTGRESQL], ids=lambda kind: kind.value)
def lasting_pair(request: pytest.FixtureRequest) -> Iterator[Replicated]:
    """Each kind of server in turn, twice: a primary and its replica."""
    try:
        made = replicas.obtain(request.param)
    except MissingError as error:
        leave_out(request.param.value, error)
    yield made
    made.remove()


@pytest.fixture
def pair(lasting_pair: Replicated) -> Iterator[Replicated]:
    """The same, without lag at the beginning of a test and at its end."""
    yield lasting_pair
    lasting_pair.go_on()
    lasting_pair.catch_up()


@pytest.fixture(scope="session")
def replicated(lasting_pair: Replicated) -> Iterator[Database]:
    """A migrated and seeded database of the primary's, which the replica has as well."""
    with seeded_database(lasting_pair.primary) as made:
        lasting_pair.catch_up()
        yield made
