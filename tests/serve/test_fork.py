"""--preload: a connection that is made before the fork stays the arbiter's, and is used by nobody else."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from testkit.databases import Database
from testkit.drivers import MYSQLDB
from tests.serve.serving import Serving

DRIVERS = ["pymysql", MYSQLDB]

READS_AT_IMPORT = """

import os
import time

from sqlalchemy import func, select

from app.extensions import db


def connection_ids():
    with app.app_context():
        for engine in db.engines.values():
            with engine.connect() as connection:
                # Otherwise a function that the pool does not know would have the connection closed after use.
                yield connection.scalar(select(func.connection_id()), execution_options={"leaves_no_trace": True})
                time.sleep(0.05)


at_import = list(connection_ids())


@app.get("/who")
def who():
    return {"pid": os.getpid(), "ids": list(connection_ids()), "arbiter": at_import}
"""

ARBITER_READS = """

def child_exit(server, worker):
    import wsgi

    server.log.info("The arbiter reads on %s", list(wsgi.connection_ids()))
"""


@pytest.fixture
def reading(ready_tree: Path) -> Path:
    """A clone whose wsgi.py reads when it is imported, and whose arbiter does so whenever a worker has ended."""
    for name, more in {"wsgi.py": READS_AT_IMPORT, "gunicorn.conf.py": ARBITER_READS}.items():
        with (ready_tree / name).open("a") as file:
            file.write(more)
    return ready_tree


@pytest.mark.long_form("mysqldb")
@pytest.mark.parametrize("driver", DRIVERS)
def test_no_connection_is_shared_with_the_arbiter_or_another_worker(
    reading: Path, mariadb: Database, goodbyes: None, serve: Callable[..., Serving], driver: str
) -> None:
    url = mariadb.url.replace("+pymysql", f"+{driver}")
    server = serve(reading, "--preload", WORKERS="2", DATABASE_URL=url)

    used: defaultdict[int, set[int]] = defaultdict(set)
    with ThreadPoolExecutor(8) as clients:
        for seen in clients.map(lambda _: server.get("/who").json(), range(40)):
            used[seen["pid"]] |= set(seen["ids"])
            arbiters = seen["arbiter"]
    apart = [set(arbiters), *used.values()]
    assert len(apart) == 3
    assert len(set.union(*apart)) == sum(map(len, apart))

    os.kill(min(used), signal.SIGTERM)
    server.wait_for_events(f"The arbiter reads on {arbiters}", 1)
    server.stop()
