"""The writer's server takes no writes any more, as after a failover: its connections lead to the wrong place."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from sqlalchemy import event

from steadypool import in_transaction
from testkit.databases import Database
from testkit.fault_servers import FaultServer
from tests.pool.service import FOUND, Service
from tests.support.faulty import read_only
from tests.support.ledger import Unit, witness_of
from tests.support.pools import held, steady


def test_a_write_is_refused_and_the_next_one_goes_to_whoever_is_the_writer_then(
    make_service: Callable[..., Service], fault_server: FaultServer, seeded: Database, user: str
) -> None:
    service, unit = make_service(writer_size=3), Unit()
    engine = service.writer

    def write() -> None:
        in_transaction(engine, unit)

    with witness_of(seeded) as witness:
        with read_only(fault_server, user):
            with held(engine, 3):
                pass
            assert service.do(write) == "down"
            assert (unit.begun, witness.times(unit)) == (2, 0)
            assert service.ask() == FOUND

        assert service.do(write) == "done"
        assert witness.times(unit) == 1

    # The one that was refused, the others without having been tried, and the one that was made in their place.
    assert steady(engine).snapshot()["closed"] == {"error": 2, "invalidated": 2}


def test_a_write_that_was_refused_is_done_on_a_new_connection_if_the_writer_has_moved(
    make_service: Callable[..., Service], fault_server: FaultServer, seeded: Database, user: str
) -> None:
    service, unit = make_service(writer_size=3), Unit()
    engine = service.writer

    with witness_of(seeded) as witness, ExitStack() as moving:
        moving.enter_context(read_only(fault_server, user))
        with held(engine, 3):
            pass
        event.listen(engine, "handle_error", lambda _: moving.close(), once=True)

        assert service.do(lambda: in_transaction(engine, unit)) == "done"

        assert (unit.begun, witness.times(unit)) == (2, 1)
    assert steady(engine).snapshot()["closed"] == {"error": 1, "invalidated": 2}
