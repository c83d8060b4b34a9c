"""The application of the 2010s, which uWSGI serves: one SELECT with PyMySQL and nothing around it.

CONNECTION says whether each request makes a connection or each thread keeps one; HOW, what PyMySQL is told about TLS.
"""

import os
import threading
from contextlib import closing
from typing import Any

import pymysql
from flask import Flask, request
from flask.typing import ResponseReturnValue

from benchmarks.peers import address
from benchmarks.then import tls

FIND = "SELECT city_id FROM city WHERE city_key = %s ORDER BY city_id LIMIT 1"
TEXT = {"Content-Type": "text/plain; charset=utf-8"}

app = Flask(__name__)
own = threading.local()


arguments = address.server() | tls.arguments(os.environ["HOW"]) | {"autocommit": True}


def find_per_request(key: str) -> Any:
    """Ask on a connection made for this."""
    with closing(pymysql.connect(**arguments)) as connection:
        return find(connection, key)


def find_persistently(key: str) -> Any:
    """Ask on the connection that this thread keeps."""
    if not hasattr(own, "connection"):
        own.connection = pymysql.connect(**arguments)
    return find(own.connection, key)


def find(connection: Any, key: str) -> Any:
    """Return the lowest id of that name in a row, or None."""
    with connection.cursor() as cursor:
        cursor.execute(FIND, (key,))
        return cursor.fetchone()


ask = find_persistently if os.environ["CONNECTION"] == "persistent" else find_per_request


@app.get("/")
def look_up() -> ResponseReturnValue:
    """Answer with the id of the city of that name."""
    name = request.args.get("city", "")
    row = ask(name.strip().casefold())
    return (f'City "{name}" is #{row[0]}\n', TEXT) if row else (f'City "{name}" not found\n', 404, TEXT)
