"""How work is done on a database: a read may be sent twice, a unit of writing is never repeated in the dark."""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from random import SystemRandom
from typing import TypeVar

from sqlalchemy import Connection, Engine, exc

from steadypool import causal, events
from steadypool.core import deadline
from steadypool.core.classify import TABLE, Repeats
from steadypool.core.stats import Event
from steadypool.errors import DatabaseDownError, TransactionLostError
from steadypool.pool import SteadyPool
from steadypool.recovery import kind_of

T = TypeVar("T")

DICE = SystemRandom()  # without a state that a fork would share or that a test has seeded
MOST_TRIES = 5
"""How often a unit of work is begun that others got in the way of."""
TRIES = {"raise": 1, "once more": 2, "again": MOST_TRIES}
"""How often it is begun, by what the table says of its error."""
LONGEST_PAUSE_SECONDS = 0.2


def read(engine: Engine, work: Callable[[Connection], T], *, met: Repeats | None = None) -> T:
    """Return what the work returns, on a connection that goes back to the pool before that.

    The work must only read. If its connection is lost on the way, it is done once more, on a connection that is made
    for it, unless so many were lost of late that second tries would be a load of their own (`core/second_tries.py`);
    and until the deadline while it leads to a node that has left its cluster. `met` is for whoever has tried once: what
    the table says of the error. Inside `after`, on an engine that waits, the work may go to the primary instead. Raises
    PoolError, or the DBAPIError of the work.
    """
    if (wanted := causal.wanted_of(engine)) is None:
        return _read(engine, work, met)

    def once_there(connection: Connection) -> T:
        if not causal.has_reached(connection, wanted.position):
            raise causal.BehindError
        return work(connection)

    if wanted.position:
        with suppress(causal.BehindError):
            return _read(engine, once_there, met)
    _note(engine, "diverted")
    return _read(wanted.primary, work, None)


def _read(engine: Engine, work: Callable[[Connection], T], met: Repeats | None) -> T:
    """Do a read, again where it may be: once after a loss, until the deadline while a node refuses.

    A proxy's health check may think well of a node that refuses. Once it does not, it cuts off who is there: a loss.
    """
    pause, was_lost = 0.0, met == "once more"
    while True:
        if met == "once more" and not _may_try_again(engine):
            raise DatabaseDownError("its connection was lost, as those of too many others before: no second try")
        if met is not None:
            _note(engine, "retried")
        try:
            return _once(engine, work, fresh=met is not None)
        except exc.DBAPIError as error:
            says = TABLE[kind_of(error)].read
            may = {
                "raise": False,
                "once more": not was_lost,
                "until the deadline": met is None or deadline.current() is not None,
            }
            if not may[says] or deadline.is_over():
                raise
        if met is not None:
            pause = _rest(pause)
        met, was_lost = says, was_lost or says == "once more"


def in_transaction(
    engine: Engine, work: Callable[[Connection], T], *, tell_position: Callable[[str], object] | None = None
) -> T:
    """Return what the work returns, all of it committed or, where this raises, none of it.

    `tell_position` is told how far the server is then, for `after`: one round trip; "" where it cannot say.

    A deadlock or a lock timeout has the whole unit done again, five times in all, and a server that takes no writes
    any more once more, on a new connection. Raises OutcomeUnknownError if the answer to COMMIT is lost: then, and only
    then, everything may have been written nevertheless.
    """
    for attempt in range(1, MOST_TRIES + 1):
        try:
            return _unit(engine, work, tell_position)
        except (exc.DBAPIError, TransactionLostError) as error:
            if attempt >= TRIES[TABLE[kind_of(error)].unit] or deadline.is_over():
                raise
        _note(engine, "retried")
        # At random, or the same two would meet again.
        time.sleep(deadline.seconds_for(DICE.uniform(0, LONGEST_PAUSE_SECONDS)))
    raise AssertionError("the last attempt returns or raises")


def _once(engine: Engine, work: Callable[[Connection], T], *, fresh: bool = False) -> T:
    with _connect(engine, fresh=fresh) as connection:
        return work(connection)  # on the way out a ROLLBACK that fails replaces no error (events.ended)


def _unit(engine: Engine, work: Callable[[Connection], T], tell_position: Callable[[str], object] | None) -> T:
    with _connect(engine) as connection:
        if _is_in_autocommit(connection):
            raise ValueError("in autocommit each statement is kept at once; in_transaction is for a writer's engine")
        transaction = connection.begin()
        try:
            result = work(connection)
            if connection.invalidated:  # never begun again: nobody knows what the work made of it
                raise TransactionLostError(
                    "the connection was lost, and the work went on; nothing was kept", again=False
                )
            if events.is_lost(connection):
                raise TransactionLostError("an error had ended the transaction, and the work went on; nothing was kept")
        except BaseException:
            with suppress(Exception):  # what failed first is what the caller is to hear; the connection is not kept
                transaction.rollback()
            raise
        transaction.commit()
        if tell_position:
            tell_position(causal.position_of(connection))
        return result


def _connect(engine: Engine, *, fresh: bool = False) -> Connection:
    """Connect, again and again until the deadline; after a failure the breaker lets us wait until it is worth a try."""
    pause = 0.0
    while True:
        try:
            return connect_anew(engine) if fresh else engine.connect()
        except exc.DBAPIError:
            if deadline.current() is None or deadline.is_over():
                _note(engine, "unavailable")
                raise
        pause = _rest(pause)  # the breaker knows nothing of what fails after the login


def _rest(pause: float) -> float:
    """Wait for about so many seconds, and return for how many the next time."""
    time.sleep(deadline.seconds_for(DICE.uniform(pause / 2, pause)))
    return min(2 * pause, LONGEST_PAUSE_SECONDS) or 0.01


def connect_anew(engine: Engine) -> Connection:
    """Return what `Engine.connect` does, on a connection that is made now."""
    if not isinstance(engine.pool, SteadyPool):
        return engine.connect()
    return events.WatchedConnection(engine, events.acquired(engine, partial(engine.pool.connect, fresh=True)))


def _may_try_again(engine: Engine) -> bool:
    if not isinstance(engine.pool, SteadyPool):
        return True
    engine.pool.slots.count()
    return engine.pool.second_tries.may()


def _is_in_autocommit(connection: Connection) -> bool:
    """Tell whether a connection keeps each statement at once, by what its driver knows."""
    own = connection.connection.dbapi_connection
    try:
        return own is not None and bool(connection.dialect.detect_autocommit_setting(own))
    except NotImplementedError:  # a dialect of somebody's own
        return False


def _note(engine: Engine, event: Event) -> None:
    if isinstance(engine.pool, SteadyPool):
        engine.pool.stats.note(event)
