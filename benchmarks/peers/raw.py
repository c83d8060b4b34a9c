"""The raw limit: each thread has a bare PyMySQL connection of its own, sends one command and checks nothing."""

import threading
from typing import Any

import pymysql
from flask import Flask, request
from flask.typing import ResponseReturnValue

from benchmarks.peers import address

TEXT = {"Content-Type": "text/plain; charset=utf-8"}
FIND = "SELECT city_id FROM city WHERE city_key = %s ORDER BY city_id LIMIT 1"

app = Flask(__name__)
arguments = address.server() | address.tls()
own = threading.local()


def find_id(key: str) -> Any:
    """Return the lowest id of that name."""
    if not hasattr(own, "connection"):
        own.connection = pymysql.connect(**arguments, autocommit=True)
    with own.connection.cursor() as cursor:
        cursor.execute(FIND, (key,))
        row = cursor.fetchone()
    return row and row[0]


@app.get("/")
def look_up() -> ResponseReturnValue:
    """Answer with the id of the city of that name."""
    name = request.args.get("city", "")
    city_id = find_id(name.strip().casefold())
    if city_id is None:
        return f'City "{name}" not found\n', 404, TEXT
    return f'City "{name}" is #{city_id}\n', TEXT
