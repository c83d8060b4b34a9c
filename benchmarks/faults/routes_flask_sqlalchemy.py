"""The peer with Flask-SQLAlchemy and the routes of the fault matrix: the session as its documentation shows it."""

import os

from sqlalchemy import create_engine, text

from benchmarks.faults import routes
from benchmarks.peers import address
from benchmarks.peers.flask_sqlalchemy import app, db, find_id, options

# On a cluster there is another address for writing.
WRITER = {} if address.WRITER_URL == address.URL else {"bind": create_engine(address.WRITER_URL, **options)}


def write(nonce: str, order: tuple[int, int]) -> None:
    """Keep a visit and count it twice, in one transaction."""
    db.session.execute(text(routes.INSERT), {"nonce": nonce}, bind_arguments=WRITER)
    for row in order:
        db.session.execute(text(routes.COUNT), {"id": row}, bind_arguments=WRITER)
    db.session.commit()


def sleep(seconds: float) -> None:
    """Run a query that takes so long."""
    db.session.execute(text(routes.SLEEP), {"seconds": seconds})


routes.add_routes(app, write, sleep, lambda: db.engine.connect())

if os.environ.get("ASK_AT_IMPORT"):
    with app.app_context():
        find_id("london")
