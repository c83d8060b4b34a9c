"""Server-Timing: where the time of an answer went, for the network panel of a browser; in development alone.

Elsewhere it would tell strangers how long a database takes, which is how some guess what is in it.
"""

from flask import Response

from app.logging import seconds_since_start
from steadypool import deadline


def tell_browsers(response: Response) -> Response:
    """Add the header and pass the answer on."""
    if (due := deadline.current()) is not None:
        spent, seconds = due.account, seconds_since_start() or 0.0
        rest = max(0.0, seconds - spent.waited - spent.connecting - spent.busy)
        parts = {"wait": spent.waited, "connect": spent.connecting, "db": spent.busy, "app": rest}
        response.headers["Server-Timing"] = ", ".join(f"{name};dur={1000 * took:.2f}" for name, took in parts.items())
    return response
