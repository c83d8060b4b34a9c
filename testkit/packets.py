"""What a proxy knows of the protocols inside: where a packet of MySQL's ends, and what was counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Literal

Direction = Literal["to server", "to client"]
COM_QUIT, COM_QUERY, COM_PING, COM_STMT_PREPARE = 0x01, 0x03, 0x0E, 0x16
CLIENT_SSL = 0x0800


class Cut(Enum):
    """When a connection is cut: the packet is the last one that arrived, or the first one that did not."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True)
class Packet:
    """A packet on its way; with TLS and PostgreSQL, whatever was read at once."""

    direction: Direction
    data: bytes = field(repr=False)
    command: int | None
    connection: int


Hook = Callable[[Packet], Cut | None]


@dataclass
class Counts:
    """What has passed. A round trip is an answer that follows something asked; a goodbye is none."""

    accepted: int = 0
    open: int = 0
    bytes_to_server: int = 0
    bytes_to_client: int = 0
    round_trips: int = 0
    commands: Counter[int] = field(default_factory=Counter)

    def __sub__(self, before: Counts) -> Counts:
        return Counts(*(getattr(self, part.name) - getattr(before, part.name) for part in fields(self)))

    def copy(self) -> Counts:
        """Return what has passed so far, which later packets do not change."""
        return deepcopy(self)


class Framer:
    """Cuts one direction of a connection into MySQL's packets, and gives up when TLS begins or it is not MySQL."""

    def __init__(self, is_mysql: bool) -> None:
        self.is_plain = is_mysql
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the packets that are whole now; the rest waits for more."""
        if not self.is_plain:
            return [data]
        buffer, packets = self._rest + data, []
        while self.is_plain and len(buffer) >= 4 and len(buffer) >= (size := 4 + int.from_bytes(buffer[:3], "little")):
            packets.append(buffer[:size])
            buffer = buffer[size:]
        self._rest = buffer
        return packets

    def give_up(self) -> bytes:
        """Return what was waiting; from now on every piece is a packet."""
        self.is_plain, rest, self._rest = False, self._rest, b""
        return rest


def command_of(packet: bytes) -> int | None:
    """Return which command a packet to the server begins, if it begins one."""
    return packet[4] if len(packet) > 4 and packet[3] == 0 else None


def asks_for_tls(packet: bytes) -> bool:
    """Tell whether this is the short login packet after which the client speaks TLS."""
    return len(packet) == 36 and packet[3] == 1 and bool(int.from_bytes(packet[4:8], "little") & CLIENT_SSL)


class OneCut:
    """A hook that cuts once: at the n-th packet in one direction, or at the first one that holds some bytes."""

    def __init__(self, direction: Direction, when: Cut, number: int = 1, holding: bytes = b"") -> None:
        self.direction, self.when, self.left, self.holding = direction, when, number, holding
        self.happened = False

    def __call__(self, packet: Packet) -> Cut | None:
        """Return when to cut, None for packets that pass."""
        if self.happened or packet.direction != self.direction or self.holding not in packet.data:
            return None
        self.left -= 1
        self.happened = self.left == 0
        return self.when if self.happened else None
