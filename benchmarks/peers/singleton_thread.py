"""SQLAlchemy Core with SingletonThreadPool: a connection for each thread, as many as there are threads."""

import os
from typing import Any

from flask import Flask, request
from flask.typing import ResponseReturnValue
from sqlalchemy import SingletonThreadPool, create_engine, text

from benchmarks.peers import address

TEXT = {"Content-Type": "text/plain; charset=utf-8"}
FIND = text("SELECT city_id FROM city WHERE city_key = :key ORDER BY city_id LIMIT 1")

app = Flask(__name__)
# Beyond its size (5 by default) this pool closes connections that other threads are using.
engine = create_engine(
    address.URL, poolclass=SingletonThreadPool, pool_size=int(os.environ["THREADS"]), connect_args=address.tls()
)


def find_id(key: str) -> Any:
    """Return the lowest id of that name."""
    with engine.connect() as connection:
        return connection.scalar(FIND, {"key": key})


@app.get("/")
def look_up() -> ResponseReturnValue:
    """Answer with the id of the city of that name."""
    name = request.args.get("city", "")
    city_id = find_id(name.strip().casefold())
    if city_id is None:
        return f'City "{name}" not found\n', 404, TEXT
    return f'City "{name}" is #{city_id}\n', TEXT
