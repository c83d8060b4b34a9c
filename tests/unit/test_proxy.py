"""The proxy of the fault tests, each of its faults on a server that echoes."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from testkit.echo import Echo, connect, echoed, is_silent, packet
from testkit.proxy import Proxy
from testkit.waiting import eventually

SLACK = 0.3
"""Seconds that a busy machine may add."""


def test_bytes_pass_in_both_directions(proxy: Proxy) -> None:
    with connect(proxy) as client:
        assert echoed(client, packet(b"x" * 500_000)) == packet(b"x" * 500_000)


def test_the_end_of_one_side_reaches_the_other(proxy: Proxy, echo: Echo) -> None:
    with connect(proxy) as client:
        client.sendall(packet(b"last words"))
        client.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").read() == packet(b"last words")

    assert echo.ends == ["closed"]
    assert eventually(lambda: proxy.counts().open == 0)


def test_a_server_that_is_away_is_a_reset(echo: Echo) -> None:
    with Proxy("127.0.0.1", echo.port) as proxy:
        echo.stop()

        with pytest.raises(ConnectionResetError), connect(proxy) as client:
            client.recv(1)


def test_refused_until_healed_and_the_port_stays_ours(proxy: Proxy) -> None:
    proxy.refuse()

    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", proxy.port))
    proxy.heal()
    with connect(proxy) as client:
        assert echoed(client, packet(b"back")) == packet(b"back")


def test_accepted_and_silent(proxy: Proxy, echo: Echo) -> None:
    with connect(proxy) as before:
        echoed(before, packet(b"a"))
        proxy.be_silent()

        with connect(proxy) as client:
            client.sendall(packet(b"hello?"))
            assert is_silent(client)
        assert echoed(before, packet(b"b")) == packet(b"b")
        assert echo.heard == packet(b"a") + packet(b"b")


def test_a_lost_syn_is_answered_by_nobody_until_healed(proxy: Proxy) -> None:
    proxy.lose_syns()
    started = time.monotonic()

    with pytest.raises(TimeoutError):
        connect(proxy, 0.3)
    threading.Timer(0.2, proxy.heal).start()
    with connect(proxy, 3) as client:  # the kernel sends its SYN again after a second
        assert echoed(client, packet(b"at last")) == packet(b"at last")
    assert time.monotonic() - started < 0.3 + 1.1 + SLACK


def test_a_black_hole_takes_all_and_closes_nothing(proxy: Proxy, echo: Echo) -> None:
    with connect(proxy) as client:
        echoed(client, packet(b"a"))
        proxy.black_hole()

        client.sendall(packet(b"b"))
        assert is_silent(client)
        with connect(proxy) as another:
            another.sendall(packet(b"c"))
            assert is_silent(another)
    time.sleep(0.2)
    assert echo.ends == []
    assert echo.heard == packet(b"a")
    proxy.heal()
    assert eventually(lambda: echo.ends == ["closed"] * 2)


def test_a_black_hole_of_existing_connections_alone(proxy: Proxy) -> None:
    with connect(proxy) as client:
        echoed(client, packet(b"a"))
        proxy.black_hole(new=False)

        client.sendall(packet(b"b"))
        with connect(proxy) as another:
            assert echoed(another, packet(b"c")) == packet(b"c")
        assert is_silent(client)
        proxy.heal()
        client.sendall(packet(b"d"))
        assert is_silent(client)  # what was swallowed is lost: no later byte may seem to be its answer


def test_a_black_hole_after_so_many_bytes(proxy: Proxy, echo: Echo) -> None:
    proxy.black_hole(after_bytes=6)

    with connect(proxy) as client:
        client.sendall(packet(b"abcdef"))
        assert is_silent(client)

    assert echo.heard == packet(b"abcdef")[:6]


def test_reset_all(proxy: Proxy, echo: Echo) -> None:
    with connect(proxy) as one, connect(proxy) as two:
        echoed(one, packet(b"a"))
        echoed(two, packet(b"a"))

        assert proxy.reset_all() == 2

        for client in (one, two):
            with pytest.raises(ConnectionResetError):
                client.recv(1)
    assert eventually(lambda: len(echo.ends) == 2)


@pytest.mark.parametrize(("fault", "seconds", "times"), [("drip", 0.05, 9), ("delay", 0.1, 2)])
def test_each_byte_that_drips_and_each_direction_takes_its_time(
    proxy: Proxy, fault: str, seconds: float, times: int
) -> None:
    with connect(proxy) as client:
        getattr(proxy, fault)(seconds)
        started = time.monotonic()

        assert echoed(client, packet(b"123456")) == packet(b"123456")

        assert times * seconds <= time.monotonic() - started < times * seconds + SLACK


def test_nothing_is_lost_in_a_freeze(proxy: Proxy) -> None:
    with connect(proxy) as client:
        echoed(client, packet(b"a"))
        started = time.monotonic()
        proxy.freeze(0.3)

        with connect(proxy) as another:  # the kernel takes it, nobody accepts
            assert echoed(another, packet(b"new")) == packet(b"new")
        assert echoed(client, packet(b"b")) == packet(b"b")

        assert 0.3 <= time.monotonic() - started < 0.3 + SLACK


def test_stopping_takes_no_time_and_leaves_nothing(echo: Echo) -> None:
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    for fault in ("be_silent", "black_hole", "lose_syns", "refuse", "freeze"):
        proxy = Proxy("127.0.0.1", echo.port)
        with connect(proxy) as client, connect(proxy):
            echoed(client, packet(b"a"))
            getattr(proxy, fault)()
            started = time.monotonic()
            proxy.stop()
            assert time.monotonic() - started < 1

    assert eventually(lambda: threading.active_count() <= threads)
    assert eventually(lambda: len(os.listdir("/proc/self/fd")) <= files)
