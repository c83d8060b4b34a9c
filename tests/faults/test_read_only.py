"""The writer's server takes no writes any more, as after a failover: who writes is told to try again, who reads may."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from steadypool import in_transaction
from testkit.databases import Database
from testkit.fault_servers import FaultServer
from tests.faults.shelf import ONE
from tests.faults.support import writer_of
from tests.support.faulty import read_only
from tests.support.kinds import on_mariadb
from tests.support.ledger import Unit, witness_of
from tests.support.pools import held
from tests.support.problems import assert_problem


@on_mariadb
def test_a_write_is_refused_and_the_next_one_goes_to_whoever_is_the_writer_then(
    make_service: Callable[..., Flask], fault_server: FaultServer, seeded: Database, user: str
) -> None:
    service, unit = make_service(WRITER_POOL_SIZE=3), Unit()
    engine, client = writer_of(service), service.test_client()
    service.add_url_rule("/api/write", view_func=lambda: in_transaction(engine, unit), methods=["POST"])

    with witness_of(seeded) as witness:
        with read_only(fault_server, user):
            with held(engine, 3):
                pass
            assert_problem(client.post("/api/write"), 503, "database-unavailable")
            assert (unit.begun, witness.times(unit)) == (1, 0)
            assert client.get(ONE).status_code == 200

        assert client.post("/api/write").status_code == 200
        assert witness.times(unit) == 1
