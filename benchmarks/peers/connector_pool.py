"""MySQL Connector/Python with its own pool, as large as there are threads, since it never waits for a connection."""

import os
from typing import Any

from flask import Flask, request
from flask.typing import ResponseReturnValue
from mysql.connector.pooling import MySQLConnectionPool

from benchmarks.peers import address

TEXT = {"Content-Type": "text/plain; charset=utf-8"}
FIND = "SELECT city_id FROM city WHERE city_key = %s ORDER BY city_id LIMIT 1"

app = Flask(__name__)
# It asks for TLS by itself and takes the server's certificate unseen.
pool = MySQLConnectionPool(pool_name="cities", pool_size=int(os.environ["THREADS"]), **address.server())


def find_id(key: str) -> Any:
    """Return the lowest id of that name."""
    connection = pool.get_connection()
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
