"""How often a read is sent: once more after a loss, until the deadline while a node of a cluster refuses."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pymysql
import pytest
from sqlalchemy import Connection, exc

from steadypool import DatabaseDownError, PoolPolicy, create_pool_engine, deadline, read
from steadypool.core.second_tries import AT_ONCE, SHARE

LOST, REFUSED, MISTAKE = 2013, 1047, 1064


class Scripted:
    """A read that meets these errors, one after the other, and then finds something."""

    def __init__(self, *codes: int) -> None:
        self.codes, self.sent = list(codes), 0

    def __call__(self, _: Connection) -> str:
        self.sent += 1
        if self.codes:
            raise exc.OperationalError("SELECT 1", {}, pymysql.OperationalError(self.codes.pop(0), "said the server"))
        return "found"


@pytest.mark.parametrize(
    ("codes", "is_found", "has_deadline"),
    [
        ((LOST,), True, True),
        ((LOST, LOST), False, True),
        ((REFUSED, REFUSED, REFUSED), True, True),
        # Its proxy has found out about the node that refused, and cut us off.
        ((REFUSED, LOST), True, True),
        ((REFUSED, LOST, REFUSED), True, True),
        ((REFUSED, LOST, LOST), False, True),
        ((LOST, REFUSED, REFUSED), True, True),
        ((LOST, REFUSED, LOST), False, True),
        ((MISTAKE,), False, True),
        ((REFUSED,), True, False),
        ((REFUSED, REFUSED), False, False),
        ((REFUSED, LOST), True, False),
    ],
)
def test_a_read_is_sent_again_as_often_as_may_be(
    tmp_path: Path, codes: tuple[int, ...], is_found: bool, has_deadline: bool
) -> None:
    (tmp_path / "file").touch()
    engine, work = create_pool_engine(f"sqlite:///{tmp_path}/file", PoolPolicy(), role="reader"), Scripted(*codes)

    with deadline.within(3) if has_deadline else nullcontext():
        if is_found:
            assert read(engine, work) == "found"
        else:
            with pytest.raises(exc.OperationalError) as raised:
                read(engine, work)
            assert raised.value.orig is not None
            assert raised.value.orig.args[0] == codes[-1]

    assert work.sent == len(codes) + is_found
    engine.dispose()


def test_second_tries_are_no_load_of_their_own(tmp_path: Path) -> None:
    """A server that is sick loses every connection: it gets what the budget allows, and not twice the load."""
    (tmp_path / "file").touch()
    engine = create_pool_engine(f"sqlite:///{tmp_path}/file", PoolPolicy(), role="reader")
    reads, sent, refused = 1000, 0, 0

    for _ in range(reads):
        work = Scripted(LOST, LOST)
        with pytest.raises((exc.OperationalError, DatabaseDownError)) as raised:
            read(engine, work)
        sent, refused = sent + work.sent, refused + (raised.type is DatabaseDownError)

    assert AT_ONCE <= sent - reads <= AT_ONCE + 2 * SHARE * reads
    assert refused == 2 * reads - sent
    for _ in range(int(1 / SHARE)):  # once it is well again, there is room for the next fail-over
        assert read(engine, Scripted()) == "found"
    assert read(engine, Scripted(LOST)) == "found"


def test_a_fail_over_takes_no_more_than_there_is(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    engine = create_pool_engine(f"sqlite:///{tmp_path}/file", PoolPolicy(), role="reader")

    for _ in range(AT_ONCE):
        assert read(engine, Scripted(LOST)) == "found"
