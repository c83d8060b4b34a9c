"""The lag is told as what it is, and not as the time between two looks."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import text

from app.operations import lag
from app.operations.lag import Lag
from testkit.databases import Database, plain_engine
from testkit.replicas import Replicated
from testkit.waiting import eventually
from tests.faults.support import reader_of, writer_of

EVERY_SECONDS = 10.0
LAG_SECONDS = 1.0


@pytest.mark.short_form("mariadb")
def test_a_second_is_not_told_as_the_time_between_two_looks(
    pair: Replicated, replicated: Database, make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag, "EVERY_SECONDS", EVERY_SECONDS)
    urls = {"DATABASE_URL": replicated.url, "DATABASE_READ_URL": pair.on_replica(replicated), "DATABASE_TLS": "off"}
    app = make_app(**urls)
    measured, over = Lag(reader_of(app), writer_of(app)), threading.Event()
    pair.lag(LAG_SECONDS)

    def write() -> None:
        with plain_engine(replicated.url).connect() as connection:
            while not over.wait(0.05):
                connection.execute(text("UPDATE city SET country_id = 3 - country_id WHERE country_id IN (1, 2)"))
                connection.commit()

    writing = threading.Thread(target=write)
    writing.start()
    try:
        measured.start(over)
        assert eventually(lambda: measured.is_level, 60)
        assert LAG_SECONDS / 2 < (measured.seconds or 0) < EVERY_SECONDS
    finally:
        over.set()
        writing.join()
