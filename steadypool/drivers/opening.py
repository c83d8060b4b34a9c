"""How a connection is opened in time: in a thread that may be left, or on a socket of ours."""

import errno
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar

from steadypool.core.threads import start_unawaited

T = TypeVar("T")

CONNECT_TIMEOUT_SECONDS = 3
"""How long making a connection may take where no deadline is nearer."""
LONGEST_CONNECT_SECONDS = 35.0
"""The same where the driver is told not to end a connect; the housekeeping would end it then."""
SHORTEST_SECONDS = 0.001
"""Nothing left, in a way that does not make a socket one that never waits."""


def connect_seconds(arguments: Mapping[str, Any]) -> float:
    """Return how long making a connection may take, by what its driver is told."""
    said = arguments.get("connect_timeout", arguments.get("connection_timeout", CONNECT_TIMEOUT_SECONDS))
    try:
        return float(said or 0) or LONGEST_CONNECT_SECONDS
    except ValueError:  # the driver will say so
        return CONNECT_TIMEOUT_SECONDS


def in_time(
    connect: Callable[[], T],
    close: Callable[[T], object],
    seconds: float,
    failed: str = "no connection could be made",
) -> T:
    """Connect in a thread of its own, and go without it when it takes too long: nothing can end it from outside.

    What comes too late is closed. Raises TimeoutError, or what connecting raises.
    """
    made: Future[T] = Future()

    def work() -> None:
        try:
            result = connect()
        except BaseException as error:
            with suppress(InvalidStateError):  # nobody waits any more
                made.set_exception(error)
            return
        try:
            made.set_result(result)
        except InvalidStateError:
            with suppress(Exception):
                close(result)

    try:
        _start(work)
        return made.result(seconds)
    except TimeoutError:
        # One of the two comes first: to give it up, or to have it after all. It may also be the error of its own.
        if made.cancel():
            raise TimeoutError(f"{failed} within {seconds:.1f} s") from None
        return made.result()
    except BaseException:
        if not made.cancel() and made.exception() is None:
            close(made.result())
        raise


def _start(work: Callable[[], None]) -> None:
    try:
        start_unawaited(work)
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, str(error)) from error


def reach_one_of(host: str, port: int, source: tuple[str, int] | None, seconds: float) -> socket.socket:
    """Return a socket to the first address of a host that takes it; each has its share of the time that is left."""
    ends = monotonic() + seconds
    addresses = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    for left, (family, _, _, _, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        try:
            return reach(family, address, (ends - monotonic()) / left, source)
        except OSError:
            if left == 1:
                raise
    raise OSError(f"{host} has no address")


def reach(family: int, address: Any, seconds: float, source: tuple[str, int] | None = None) -> socket.socket:
    """Return a socket to an address; raise OSError."""
    own = socket.socket(family, socket.SOCK_STREAM)
    try:
        own.settimeout(max(SHORTEST_SECONDS, seconds))
        if source:
            own.bind(source)
        own.connect(address)
    except BaseException:
        own.close()
        raise
    return own
