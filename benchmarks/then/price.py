"""What a connection costs beside what a lookup costs, one after the other in one thread, without HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pymysql
from sqlalchemy import make_url

from benchmarks.then import tls

CPU = Callable[[], float]
"""Returns how many seconds of CPU the database has used."""

FIND = "SELECT city_id FROM city WHERE city_key = 'london' ORDER BY city_id LIMIT 1"


@dataclass(frozen=True)
class Price:
    """Milliseconds of one call, and of CPU on both sides."""

    what: str
    ms: float
    client_ms: float
    server_ms: float

    @property
    def per_second_in_a_tenth(self) -> float:
        """Return how many of these a second take a tenth of one of the client's cores."""
        return 100 / self.client_ms


def prices(database_url: str, database_cpu: CPU, seconds: float) -> list[Price]:
    """Return the price of a lookup on an open connection and of opening and closing one, with each kind of TLS."""
    found = [lookup(database_url, database_cpu, seconds)]
    for how in tls.WAYS:
        arguments = _arguments(database_url) | tls.arguments(how)
        open_and_close = lambda arguments=arguments: pymysql.connect(**arguments).close()  # noqa: E731 -- one line a case
        found.append(_price(f"connect and close, TLS: {how}", open_and_close, database_cpu, seconds))
    return found


def lookup(database_url: str, database_cpu: CPU, seconds: float) -> Price:
    """Return the price of a lookup on an open connection without TLS."""
    with closing(pymysql.connect(**_arguments(database_url), ssl_disabled=True)) as connection:
        return _price("a lookup on an open connection", lambda: _look_up(connection), database_cpu, seconds)


def _arguments(database_url: str) -> dict[str, Any]:
    url = make_url(database_url)
    server = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    return server | {"database": url.database, "autocommit": True}


def _look_up(connection: pymysql.Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FIND)
        cursor.fetchone()


def _price(what: str, call: Callable[[], None], database_cpu: CPU, seconds: float) -> Price:
    call()
    number, began, own, server = 0, time.monotonic(), time.process_time(), database_cpu()
    while time.monotonic() < began + seconds:
        call()
        number += 1
    spent = time.monotonic() - began, time.process_time() - own, database_cpu() - server
    return Price(what, *(each / number * 1000 for each in spent))
