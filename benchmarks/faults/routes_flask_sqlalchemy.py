"""The peer with Flask-SQLAlchemy and the routes of the fault matrix: the session as its documentation shows it."""

import os

from sqlalchemy import text

from benchmarks.faults import routes
from benchmarks.peers.flask_sqlalchemy import app, db, find_id


def write(nonce: str, order: tuple[int, int]) -> None:
    """Keep a visit and count it twice, in one transaction."""
    db.session.execute(text(routes.INSERT), {"nonce": nonce})
    for row in order:
        db.session.execute(text(routes.COUNT), {"id": row})
    db.session.commit()


def sleep(seconds: float) -> None:
    """Run a query that takes so long."""
    db.session.execute(text(routes.SLEEP), {"seconds": seconds})


routes.add_routes(app, write, sleep, lambda: db.engine.connect())

if os.environ.get("ASK_AT_IMPORT"):
    with app.app_context():
        find_id("london")
