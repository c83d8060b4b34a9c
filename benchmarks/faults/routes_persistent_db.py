"""The peer with PersistentDB and the routes of the fault matrix: begin() before a transaction."""

import os

import pymysql
from dbutils.persistent_db import PersistentDB

from benchmarks.faults import routes
from benchmarks.peers import address
from benchmarks.peers.persistent_db import app, find_id, persistent

INSERT = "INSERT INTO visit (nonce) VALUES (%s)"
COUNT = "UPDATE counter SET visits = visits + 1 WHERE id = %s"

# On a cluster there is another address for writing.
writer = (
    persistent
    if address.WRITER_URL == address.URL
    else PersistentDB(pymysql, **address.server(address.WRITER_URL), **address.tls(), autocommit=True)
)


def write(nonce: str, order: tuple[int, int]) -> None:
    """Keep a visit and count it twice, in one transaction."""
    connection = writer.connection()
    connection.begin()
    try:
        with connection.cursor() as cursor:
            cursor.execute(INSERT, (nonce,))
            for row in order:
                cursor.execute(COUNT, (row,))
        connection.commit()
    except Exception:
        connection.rollback()
        raise
    finally:
        connection.close()


def sleep(seconds: float) -> None:
    """Run a query that takes so long."""
    connection = persistent.connection()
    with connection.cursor() as cursor:
        cursor.execute("SELECT SLEEP(%s)", (seconds,))
    connection.close()


routes.add_routes(app, write, sleep, persistent.connection)

if os.environ.get("ASK_AT_IMPORT"):
    find_id("london")
