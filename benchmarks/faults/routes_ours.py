"""This application and the routes of the fault matrix: `@reading` and `in_transaction`, as docs/pool.md tells."""

import os
from collections.abc import Callable

from sqlalchemy import Connection, text

from app.cities import queries
from app.extensions import db, reading
from benchmarks.faults import routes
from steadypool import in_transaction
from wsgi import app

INSERT, COUNT, SLEEP = (
    text(order).execution_options(leaves_no_trace=True) for order in (routes.INSERT, routes.COUNT, routes.SLEEP)
)


def unit(nonce: str, order: tuple[int, int]) -> Callable[[Connection], None]:
    """Return the work that keeps a visit and counts it twice."""

    def work(connection: Connection) -> None:
        connection.execute(INSERT, {"nonce": nonce})
        for row in order:
            connection.execute(COUNT, {"id": row})

    return work


@reading
def sleep(connection: Connection, seconds: float) -> None:
    """Run a query that takes so long."""
    connection.execute(SLEEP, {"seconds": seconds})


routes.add_routes(
    app,
    lambda nonce, order: in_transaction(db.engine, unit(nonce, order)),
    sleep,
    lambda: db.engines["reader"].connect(),
)

if os.environ.get("ASK_AT_IMPORT"):
    with app.app_context():
        queries.find_cities("London")
