"""DBUtils PersistentDB: a connection for each thread, pinged before use and opened again when it is lost."""

from typing import Any

import pymysql
from dbutils.persistent_db import PersistentDB
from flask import Flask, request
from flask.typing import ResponseReturnValue

from benchmarks.peers import address

TEXT = {"Content-Type": "text/plain; charset=utf-8"}
FIND = "SELECT city_id FROM city WHERE city_key = %s ORDER BY city_id LIMIT 1"

app = Flask(__name__)
# Without autocommit a thread would read from the snapshot of its first SELECT for ever.
persistent = PersistentDB(pymysql, **address.server(), **address.tls(), autocommit=True)


def find_id(key: str) -> Any:
    """Return the lowest id of that name."""
    connection = persistent.connection()
    try:
        with connection.cursor() as cursor:
            cursor.execute(FIND, (key,))
            row = cursor.fetchone()
    finally:
        connection.close()
    return row and row[0]


@app.get("/")
def look_up() -> ResponseReturnValue:
    """Answer with the id of the city of that name."""
    name = request.args.get("city", "")
    city_id = find_id(name.strip().casefold())
    if city_id is None:
        return f'City "{name}" not found\n', 404, TEXT
    return f'City "{name}" is #{city_id}\n', TEXT
