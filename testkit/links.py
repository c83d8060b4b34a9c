"""One connection through the proxy, and the weather that all of them share. Runs in the proxy's thread alone."""

from __future__ import annotations

import socket
import struct
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from time import monotonic

from testkit.doors import Arrivals
from testkit.packets import Counts, Cut, Direction, Framer, Hook, Packet, asks_for_tls, command_of

MOST_WAITING_BYTES = 1 << 18
AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER of no seconds: close() sends RST."""


@dataclass
class Weather:
    """Which faults rule now, and what has passed."""

    arrivals: Arrivals = "pass"
    frozen_until: float = 0.0
    latency: float = 0.0
    drip: float = 0.0
    is_black: bool = False
    hole: float = inf
    hook: Hook | None = None
    counts: Counts = field(default_factory=Counts)

    def clear_up(self) -> None:
        """End all faults; the counts go on."""
        vars(self).update(vars(Weather(counts=self.counts)))

    def is_frozen(self) -> bool:
        """Tell whether nothing may move now."""
        return monotonic() < self.frozen_until


class Stream:
    """One direction of a connection: what was read and has not gone on yet."""

    def __init__(self, direction: Direction, source: socket.socket, target: socket.socket, is_mysql: bool) -> None:
        self.direction, self.source, self.target = direction, source, target
        self.framer = Framer(is_mysql)
        self.waiting: deque[tuple[float, bytes]] = deque()
        self.not_before = 0.0
        self.is_blocked = self.has_ended = self.is_finished = False
        self.watched = 0

    def due(self) -> float:
        """Return when the next byte may go, infinity when there is none or the target takes none."""
        return inf if not self.waiting or self.is_blocked else max(self.waiting[0][0], self.not_before)

    def is_full(self) -> bool:
        """Tell whether no more should be read, until some of it has gone on."""
        return sum(len(data) for _, data in self.waiting) > MOST_WAITING_BYTES

    def put(self, data: bytes, due: float) -> None:
        """Have these bytes go on at that time, and not before."""
        if self.waiting and self.waiting[-1][0] == due:
            data = self.waiting.pop()[1] + data
        self.waiting.append((due, data))


class Link:
    """A client and its connection to the server. One that is deaf swallows all that comes, and closes nothing."""

    def __init__(self, number: int, client: socket.socket, server: socket.socket, weather: Weather, is_mysql: bool):
        self.number, self.client, self.server, self.weather = number, client, server, weather
        self.up = Stream("to server", client, server, is_mysql)
        self.down = Stream("to client", server, client, is_mysql)
        self.is_over = self.is_cut = self.resets = False
        self.last: Direction | None = None
        # Behind a silent ear there is no connection that could end.
        self.is_deaf = self.down.has_ended = weather.arrivals == "silent"
        self.bytes_left = weather.hole
        self.swallow_after(weather.hole)
        weather.counts.accepted += 1
        weather.counts.open += 1

    def read(self, stream: Stream) -> None:
        """Take what a side has sent."""
        try:
            data = stream.source.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            self._lose(stream)
            return
        if not data:
            stream.has_ended = True
        elif not self.is_deaf:
            self._take(stream, data[: int(min(len(data), self.bytes_left))])

    def move_on(self) -> None:
        """Pass on what is due."""
        for stream in (self.up, self.down):
            while not self.is_over and stream.due() <= monotonic() and not self.weather.is_frozen():
                self._send(stream)
            if stream.has_ended and not stream.waiting and not stream.is_finished and not self.is_deaf:
                stream.is_finished = True
                with suppress(OSError):
                    stream.target.shutdown(socket.SHUT_WR)
        if self.is_cut:
            has_ended = self.down.has_ended
        elif self.is_deaf:  # while the hole lasts the server does not hear that its client has gone
            has_ended = self.up.has_ended and (self.down.has_ended or not self.weather.is_black)
        else:
            has_ended = self.up.is_finished and self.down.is_finished
        if has_ended:
            self.end()

    def swallow_after(self, size: float) -> None:
        """Become deaf after so many bytes more."""
        self.bytes_left = size
        self.is_deaf = self.is_deaf or size <= 0

    def end(self, *, reset: bool = False) -> None:
        """Close both sides as soon as nobody watches them, the client's with RST if so wished."""
        if not self.is_over:
            self.weather.counts.open -= 1
            self.is_over, self.resets = True, reset

    def close_what_is_over(self) -> None:
        """Close what `end` and a cut have left, now that no selector knows it."""
        if self.is_over and self.resets and not self.is_cut:
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        if self.is_over or self.is_cut:
            self.client.close()
        if self.is_over:
            self.server.close()

    def _take(self, stream: Stream, data: bytes) -> None:
        due = monotonic() + self.weather.latency if self.weather.latency else 0.0
        self.swallow_after(self.bytes_left - len(data))
        for packet in stream.framer.feed(data):
            cut = self._ask_hook(stream, packet)
            if self.is_over:  # the hook's doing
                return
            if cut is not Cut.BEFORE:
                self._count(stream, packet)
                stream.put(packet, due)
            if cut:
                self._cut()
                return
            if stream is self.up and stream.framer.is_plain and asks_for_tls(packet):
                self._stop_framing(due)
        if self.is_deaf:
            self._stop_framing(due)

    def _ask_hook(self, stream: Stream, packet: bytes) -> Cut | None:
        hook = self.weather.hook
        return hook and hook(Packet(stream.direction, packet, self._command(stream, packet), self.number))

    def _command(self, stream: Stream, packet: bytes) -> int | None:
        return command_of(packet) if stream is self.up and stream.framer.is_plain else None

    def _count(self, stream: Stream, packet: bytes) -> None:
        counts = self.weather.counts
        if stream is self.up:
            counts.bytes_to_server += len(packet)
            if (command := self._command(stream, packet)) is not None:
                counts.commands[command] += 1
        else:
            counts.bytes_to_client += len(packet)
            counts.round_trips += self.last == "to server"
        self.last = stream.direction

    def _stop_framing(self, due: float) -> None:
        for stream in (self.up, self.down):
            if rest := stream.framer.give_up():
                stream.put(rest, due)

    def _cut(self) -> None:
        """Deliver what was taken, then close; the server's answers are swallowed until it has closed too."""
        for stream in (self.up, self.down):
            stream.target.setblocking(True)
            stream.target.settimeout(1)
            with suppress(OSError):
                stream.target.sendall(b"".join(data for _, data in stream.waiting))
            stream.target.setblocking(False)
            stream.waiting.clear()
        with suppress(OSError):
            self.server.shutdown(socket.SHUT_WR)
        self.is_cut = self.is_deaf = self.up.has_ended = True

    def _send(self, stream: Stream) -> None:
        due, data = stream.waiting[0]
        drips = stream is self.down and self.weather.drip
        try:
            sent = stream.target.send(data[:1] if drips else data)
        except BlockingIOError:
            stream.is_blocked = True
            return
        except OSError:
            self._lose(stream)
            return
        if drips:
            stream.not_before = monotonic() + self.weather.drip
        stream.waiting.popleft()
        if sent < len(data):
            stream.waiting.appendleft((due, data[sent:]))

    def _lose(self, stream: Stream) -> None:
        """A side is gone without a goodbye: so is the other, unless it must not hear of it."""
        if not self.is_deaf or stream is self.down:
            self.end(reset=True)
        else:
            stream.has_ended = True
