"""What the proxy of the fault tests does with single packets: cut at them, show and count them."""

from __future__ import annotations

import pytest

from testkit.echo import Echo, connect, echoed, packet
from testkit.packets import Cut, Direction, Packet
from testkit.proxy import Proxy
from testkit.waiting import eventually


@pytest.mark.parametrize(
    ("direction", "when", "heard", "got"),
    [
        ("to server", Cut.BEFORE, b"", b""),
        ("to server", Cut.AFTER, packet(b"b"), b""),
        ("to client", Cut.BEFORE, packet(b"b") + packet(b"c"), b""),
        ("to client", Cut.AFTER, packet(b"b") + packet(b"c"), packet(b"b")),
    ],
)
def test_a_cut_at_the_second_packet(
    proxy: Proxy, echo: Echo, direction: Direction, when: Cut, heard: bytes, got: bytes
) -> None:
    one = proxy.cut(when, direction, number=2)

    with connect(proxy) as client:
        echoed(client, packet(b"a"))
        assert not one.happened
        client.sendall(packet(b"b") + packet(b"c"))
        assert client.makefile("rb").read() == got

    assert one.happened
    assert eventually(lambda: echo.ends == ["closed"])
    assert echo.heard == packet(b"a") + heard
    assert eventually(lambda: proxy.counts().open == 0)


def test_a_cut_when_bytes_are_seen_hits_one_connection_once(proxy: Proxy) -> None:
    proxy.cut(Cut.BEFORE, holding=b"COMMIT")

    with connect(proxy) as client, connect(proxy) as other:
        assert echoed(client, packet(b"BEGIN")) == packet(b"BEGIN")
        client.sendall(packet(b"COMMIT"))
        assert client.recv(1) == b""
        assert echoed(other, packet(b"COMMIT")) == packet(b"COMMIT")


def test_a_hook_sees_packets_before_they_go_on_and_may_use_the_proxy(proxy: Proxy, echo: Echo) -> None:
    seen: list[Packet] = []

    def look(packet: Packet) -> None:
        seen.append(packet)
        if b"now" in packet.data:
            proxy.reset_all()

    proxy.watch(look)
    with connect(proxy) as client:
        echoed(client, packet(b"\x03SELECT 1"))
        client.sendall(packet(b"now"))
        with pytest.raises(ConnectionResetError):
            client.recv(1)

    assert [(each.direction, each.command) for each in seen] == [
        ("to server", 3),
        ("to client", None),
        ("to server", 110),
    ]
    assert eventually(lambda: len(echo.ends) == 1)
    assert b"now" not in echo.heard


def test_commands_and_round_trips_are_counted(proxy: Proxy) -> None:
    with connect(proxy) as client:
        echoed(client, packet(b"\x03SELECT 1"))
        with proxy.counting() as counts:
            echoed(client, packet(b"\x03SELECT 2"))
            echoed(client, packet(b"\x0e"))
            echoed(client, packet(b"more of an answer", sequence=1))
        with proxy.counting() as goodbye:
            client.sendall(packet(b"\x01"))
            assert eventually(lambda: proxy.counts().commands[1] == 1)

    assert counts.commands == {0x03: 1, 0x0E: 1}
    assert counts.round_trips == 3
    assert (counts.accepted, counts.open) == (0, 0)
    assert counts.bytes_to_server == counts.bytes_to_client == 13 + 5 + 21
    assert goodbye.commands == {0x01: 1}


def test_after_the_wish_for_tls_all_bytes_pass_and_none_is_a_command(proxy: Proxy) -> None:
    wish = packet((0x0800).to_bytes(4, "little") + bytes(28), sequence=1)

    with connect(proxy) as client, proxy.counting() as counts:
        echoed(client, wish)
        assert echoed(client, b"\x16\x03\x01\x00 TLS \x00") == b"\x16\x03\x01\x00 TLS \x00"

    assert counts.commands == {}
    assert counts.round_trips == 2
