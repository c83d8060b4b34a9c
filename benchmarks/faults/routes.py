"""The routes that only the fault matrix needs, the same for every stack: each brings its own way to do the work."""

import itertools
import time
from collections.abc import Callable

from flask import Flask, request

TABLES = (
    "CREATE TABLE visit (id INTEGER AUTO_INCREMENT PRIMARY KEY, nonce VARCHAR(40) NOT NULL, INDEX (nonce))",
    "CREATE TABLE counter (id INTEGER PRIMARY KEY, visits INTEGER NOT NULL)",
    "INSERT INTO counter VALUES (1, 0), (2, 0)",
)
INSERT = "INSERT INTO visit (nonce) VALUES (:nonce)"
COUNT = "UPDATE counter SET visits = visits + 1 WHERE id = :id"
SLEEP = "SELECT SLEEP(:seconds)"
ROWS = {"up": (1, 2), "down": (2, 1)}
"""Two orders in which a unit of work counts: meeting each other they are a deadlock."""

real_time = time.time
kept: list[object] = []
"""What has leaked."""


def add_routes(
    app: Flask,
    write: Callable[[str, tuple[int, int]], None],
    sleep: Callable[[float], None],
    borrow: Callable[[], object],
) -> None:
    """Add to a Flask application what the incidents ask for."""
    orders = itertools.cycle(ROWS.values())

    @app.post("/visits")
    def visit() -> str:
        nonce = request.args["nonce"]
        write(nonce, ROWS.get(request.args.get("rows", "")) or next(orders))
        return f"kept {nonce}\n"

    @app.get("/slow")
    def slow() -> str:
        sleep(float(request.args["seconds"]))
        return "done\n"

    @app.get("/leak")
    def leak() -> str:
        kept.append(borrow())
        return "forgotten\n"

    @app.get("/clock")
    def clock() -> str:
        step_clock(float(request.args["step"]))
        return "set\n"


def step_clock(seconds: float) -> None:
    """Set this process's clock forward or back; the monotonic one goes on, as it does in the kernel."""
    time.time = lambda: real_time() + seconds
