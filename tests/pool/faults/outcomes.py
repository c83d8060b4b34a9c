"""All that may become of an acquired connection, on a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from sqlalchemy import Engine, event, literal, select, table

from tests.support.endings import Endings
from tests.support.pools import steady

NOW = select(literal(1))


class OwnError(Exception):
    """An error of whoever acquired."""


class Outcomes(Endings):
    """What holders do."""

    ways: ClassVar = {
        "success": 110,
        "hold": 6,
        "no_patience": 8,
        "overdue": 1,
        "failed_connect": 4,
        "invalidate": 4,
        "invalidate_and_go_on": 4,
        "detach": 4,
        "cut": 2,
        "wrong_statement": 2,
        "changed": 4,
        "raw": 4,
        "error": 6,
        "abandoned_generator": 6,
        "dropped": 5,
        "dropped_in_a_circle": 2,
        "dropped_raw": 4,
    }

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._failing = threading.local()
        event.listen(engine, "do_connect", self._fail_if_told)

    def cut(self) -> None:
        """Something on the way ends the connection; SQLite has nothing on its way."""
        with self.engine.connect() as connection:
            entry: Any = connection.connection._connection_record
            entry.wire.cut()
            assert connection.scalar(NOW) == 1

    def wrong_statement(self) -> None:
        with self.engine.connect() as connection:
            connection.scalar(select(literal(1)).select_from(table("nowhere")))

    def error(self) -> None:
        with suppress(OwnError), self.engine.connect() as connection:
            self._ask(connection)
            raise OwnError

    def abandoned_generator(self) -> None:
        def rows() -> Iterator[Any]:
            with self.engine.connect() as connection:
                yield from connection.execute(NOW)

        assert next(rows()) == (1,)

    def dropped_raw(self) -> None:
        assert self.engine.raw_connection()
        self._count(self.done, "leaked")

    def assert_all_were_there(self) -> None:
        """Each way was gone, those that end in an error as well, and the pool counted what there is to count."""
        seen = steady(self.engine).snapshot()
        ends = {ENDS_IN.get(way, way) for way in self.ways if way != "no_patience"}  # a slow machine has less than that
        assert set(self.done) >= ends | {"PoolExhaustedError"}
        assert seen["rejected"] > 0
        assert min(seen["closed"][why] for why in ("overdue", "detached", "changed", "error", "dropped")) > 0
        assert seen["leaked"] == self.done["leaked"] > 0

    @contextmanager
    def _connects_failing(self) -> Iterator[None]:
        self._failing.now = True
        try:
            yield
        finally:
            self._failing.now = False

    def _fail_if_told(self, dialect: Any, *_: object) -> None:
        if getattr(self._failing, "now", False):
            raise dialect.loaded_dbapi.OperationalError("not today")


ENDS_IN = {
    "cut": "OperationalError",
    "wrong_statement": "ProgrammingError",
    "failed_connect": "OperationalError",
    "overdue": "DeadlineExceededError",
}
"""What is counted in their place."""
