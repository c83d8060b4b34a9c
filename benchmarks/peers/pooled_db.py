"""DBUtils PooledDB: connections shared by all threads, five of them opened at the start as its guide does."""

from typing import Any

import pymysql
from dbutils.pooled_db import PooledDB
from flask import Flask, request
from flask.typing import ResponseReturnValue

from benchmarks.peers import address

TEXT = {"Content-Type": "text/plain; charset=utf-8"}
FIND = "SELECT city_id FROM city WHERE city_key = %s ORDER BY city_id LIMIT 1"

app = Flask(__name__)
pool = PooledDB(pymysql, 5, **address.server(), **address.tls())


def find_id(key: str) -> Any:
    """Return the lowest id of that name."""
    connection = pool.connection()
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
