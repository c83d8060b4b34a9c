"""A connection per request, kept on `g`: the way of Flask's own tutorial, with PyMySQL; TLS_OFF=on tells it so."""

import os
from typing import Any

import pymysql
from flask import Flask, g, request
from flask.typing import ResponseReturnValue

from benchmarks.peers import address

TEXT = {"Content-Type": "text/plain; charset=utf-8"}
FIND = "SELECT city_id FROM city WHERE city_key = %s ORDER BY city_id LIMIT 1"

app = Flask(__name__)
arguments = address.server() | address.tls()
if os.environ.get("TLS_OFF") == "on":
    arguments["ssl_disabled"] = True


def get_db() -> Any:
    """Return this request's connection."""
    if "db" not in g:
        g.db = pymysql.connect(**arguments)
    return g.db


@app.teardown_appcontext
def close_db(error: BaseException | None = None) -> None:
    """Close this request's connection."""
    db = g.pop("db", None)
    if db is not None:
        db.close()


def find_id(key: str) -> Any:
    """Return the lowest id of that name."""
    with get_db().cursor() as cursor:
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
