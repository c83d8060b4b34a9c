"""Gunicorn's worker with threads, and what it lacks when it is asked for more than it can do.

Its loop gives each request to a pool of threads, where it waits in a queue without an end, and probes with it.
"""

import socket as sockets
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from errno import EAGAIN, ECONNABORTED, EWOULDBLOCK
from math import inf
from selectors import SelectorKey
from socket import AF_UNIX, IPPROTO_TCP, socket
from time import monotonic, sleep
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from serving.calls import Calls
from serving.heads import SHORT, is_whole, looks_after, plain
from serving.line import Line, seen
from serving.protocols import Refuser
from serving.turns import FEWEST, Turns

RESERVE = 4
"""Threads that are kept for those who look after the service."""

TCP_DEFER_ACCEPT: int | None = getattr(sockets, "TCP_DEFER_ACCEPT", None)
SILENT_SECONDS = 5

WAITING_PER_THREAD = 16
"""A longer queue fills with connections faster than it can be looked through: it is refused, however short the wait."""
ROUND_SECONDS = 0.02
PAUSE_SECONDS = 0.005
"""While so many wait that no thread will be idle, the loop sees to many of them at once: each round has its price."""
LINGER_MILLISECONDS = 2
"""For so long a thread stays with who was just answered: to give a connection to the loop and have it back costs more
than a short wait."""

STAYS: Future[object] = Future()
STAYS.set_result(True)


class GuardedWorker(ThreadWorker):  # type: ignore[misc] # it has no types
    """Answers probes while all threads are busy, refuses whoever waited too long, and waits for nobody's goodbye."""

    cfg: Any
    alive: bool
    log: Any
    sockets: Iterable[Any]
    wsgi: Any
    has_quit = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.method_queue = Calls()

    def init_process(self) -> None:
        """Begin."""
        self.waiting: dict[SelectorKey, float] = {}
        """On which something has arrived, and since when."""
        self.seen = 0.0
        # Else each look takes two calls, and a request takes twenty.
        vars(self.cfg).update({name: setting.get() for name, setting in self.cfg.settings.items()})
        self.threads, self.busy, self.has_tls = self.cfg.threads, 0, self.cfg.is_ssl
        self.most = self.longest_wait = inf  # until there is an application that refuses
        self.turns, self.looked = Turns(self.threads, self._call_thread), 0.0
        self.reserve = ThreadPoolExecutor(RESERVE, "reserve")
        hand_over_with_a_question(self.sockets)
        super().init_process()

    def load_wsgi(self) -> None:
        """Import the application."""
        super().load_wsgi()
        if settings := getattr(self.wsgi, "extensions", {}).get("settings"):
            self.most, self.longest_wait = self.threads * (1 + WAITING_PER_THREAD), settings.queue_timeout_seconds

    def handle_quit(self, sig: int, frame: object) -> None:
        """Stop at once, for SIGQUIT and Ctrl-C: the loop ends, and waits for no connection, nor does one that waits.

        What is being answered is answered; what waits in line is not.

        Gunicorn's own raises SystemExit wherever the loop is. Where that is giving work to the pool of threads, a lock
        is held for ever, or a thread is that nobody knows to end: the process stays.
        """
        self.cfg.worker_int(self)
        self.alive, self.has_quit, self.nr_conns = False, True, -inf  # so many to wait for
        self.method_queue.defer(lambda: None)  # wakes the loop up

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for something to happen and see to it, a short round at a time: who connects, then whoever came first.

        A step of the loop may take a millisecond, where threads want the interpreter. A round through all who ask
        would keep those who connect waiting for a second, probes among them.
        """
        if self.busy > 2 * self.threads:
            sleep(PAUSE_SECONDS)
        is_limiting = self.busy > FEWEST
        self.method_queue.is_awaited = True
        if self.waiting or self.method_queue.has_calls():
            timeout = 0
        events = self.poller.select(min(timeout, ROUND_SECONDS) if is_limiting else timeout)
        self.method_queue.is_awaited = False
        if is_limiting and monotonic() - self.looked > ROUND_SECONDS:
            self.turns.look()
            self.looked = monotonic()
        self.seen = began = monotonic()
        self.method_queue.call()
        for key, _ in events:
            if key.data in (self.accept, self.method_queue.run_callbacks) or self._need_not_wait(key):
                key.data(key.fileobj)
            else:
                self.waiting.setdefault(key, began)
        while self.waiting and monotonic() - began < ROUND_SECONDS:
            key = next(iter(self.waiting))
            self.seen = self.waiting.pop(key)
            if self.poller.get_map().get(key.fd) is key:  # it was not closed meanwhile
                key.data(key.fileobj)

    def accept(self, listener: Any) -> None:
        """Accept a connection; while all threads are busy all that wait, as a round of the loop is long then.

        Otherwise one at a time, so that other workers have theirs.
        """
        while self.nr_conns < self.worker_connections:
            try:
                accepted, address = listener.accept()
            except OSError as error:
                if error.errno not in (EAGAIN, EWOULDBLOCK, ECONNABORTED):
                    raise
                return
            self.nr_conns += 1
            sock = accepted if self.has_tls else Line(accepted)
            conn = TConn(self.cfg, sock, address, listener.getsockname())
            conn.data_ready = not self.has_tls and seen(sock, 1) != b""
            stays = self._refuse(conn, 0.0) if self._is_full() else None
            if stays is None:
                self.enqueue_req(conn)
            elif stays:
                super().finish_request(conn, STAYS)
            else:
                self._say_goodbye(conn)
            if self.busy < self.threads:
                return

    def enqueue_req(self, conn: TConn) -> None:
        """Give a connection on which something was asked to a thread; who looks after the service need not queue."""
        conn.asked, conn.is_closed = self.seen, False
        self.busy += 1
        if self.busy > self.threads and self._looks_after_us(conn):
            with suppress(RuntimeError):  # the system has no thread left for now: one that is there will see to it
                self.reserve.submit(self._see_to, conn, super().handle)
        else:
            self.turns.ask(conn)

    def _looks_after_us(self, conn: TConn) -> bool:
        """Tell whether somebody asks who looks after the service, and all of it is there: no thread waits for more."""
        head = seen(conn.sock)
        return looks_after(head) and is_whole(head) and not _has_more(conn)

    def _call_thread(self) -> bool:
        try:
            self.tpool.submit(self._serve)
        except RuntimeError:  # the worker has ended, or the system has no thread left for now
            return False
        return True

    def _serve(self) -> None:
        """See to one connection after the other, as long as it is this thread's turn."""
        conn = self.turns.arrive()
        while conn is not None:
            if not self.has_quit:
                self._see_to(conn, self.handle)
            conn = self.turns.next()

    def _see_to(self, conn: TConn, answer: Callable[[TConn], object]) -> None:
        """Answer on a connection and tell the loop how that ended, whatever it raises."""
        ended: Future[object] = Future()
        try:
            stays = answer(conn)
            if stays is False:
                # Here and not in the loop, which would wait for up to two seconds until the client closes its side.
                with suppress(OSError):  # it is closed
                    conn.close(graceful=not self.has_quit)
                conn.is_closed = True
            ended.set_result(stays)
        except BaseException as error:
            ended.set_exception(error)
        self.method_queue.defer(self.finish_request, conn, ended)

    def finish_request(self, conn: TConn, asked: Future[object]) -> None:
        """Have the loop look after the connection again, if it is still there."""
        self.busy -= 1
        if conn.is_closed:
            self.nr_conns -= 1
        else:
            super().finish_request(conn, asked)

    def on_client_socket_readable(self, conn: TConn, client: socket) -> None:
        """Have a kept connection looked after, or refuse what is asked on it: it is not even queued."""
        waited = monotonic() - self.seen
        stays = self._refuse(conn, waited) if self._is_full() or waited >= self.longest_wait else None
        if stays is None:
            super().on_client_socket_readable(conn, client)
            return
        conn.set_timeout()  # though it keeps its place among them: those behind it may stay longer than they need
        if not stays:
            self.poller.unregister(client)
            self.keepalived_conns.remove(conn)
            self._say_goodbye(conn)

    def handle(self, conn: TConn) -> object:
        """Answer what was asked, or refuse to where it waited too long; return whether the connection stays open."""
        waited = monotonic() - conn.asked
        stays: object = self._refuse(conn, waited) if waited >= self.longest_wait else None
        if stays is None:
            stays = super().handle(conn)
        while stays is True and self._asks_again(conn):
            stays = super().handle(conn)
        return stays

    def _asks_again(self, conn: TConn) -> bool:
        """Wait a moment for the next question on a connection, unless somebody else waits for this thread.

        Others may run meanwhile: to wait takes no turn.
        """
        if self.has_tls or self.busy > self.threads or not self.alive or _has_more(conn):
            return False
        self.turns.give()
        has_news = bool(conn.sock.has_news(LINGER_MILLISECONDS))
        self.turns.take()
        # Who has come meanwhile goes first.
        return has_news and self.busy <= self.threads

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        """Tell whether the connection stays open; where no body is left unread, without a time-out for its reading."""
        if not self.has_tls:
            conn.sock.finish()  # before the wait for the rest of a body
        has_read_all = getattr(conn.parser.mesg.body.reader, "length", None) == 0
        return bool(keepalive and (has_read_all or super()._keepalive_after(conn, keepalive)))

    def _is_full(self) -> bool:
        return bool(self.busy > self.most)

    def _need_not_wait(self, key: SelectorKey) -> bool:
        """Tell whether somebody asks on a kept connection who looks after the service; looked at once for each."""
        is_new = self._is_full() and key not in self.waiting
        return is_new and looks_after(seen(key.fileobj, SHORT))

    def _say_goodbye(self, conn: TConn) -> None:
        """Close the connection of one who was refused; as all is read that was asked, what was said arrives."""
        self.nr_conns -= 1
        conn.close()

    def _refuse(self, conn: TConn, waited: float) -> bool | None:
        """Refuse a plain question, whatever the reason, and tell whether the connection stays open; None: not refused.

        It stays unless there are so many that soon nobody could connect any more, to look after the service either.
        Writes are never refused: they are fewer, and more is lost with them.
        """
        if not self.alive or self.has_tls:
            return None
        head = seen(conn.sock)
        if (asked := plain(head)) is None:
            return None
        conn.init()  # as the loop expects it; no earlier, or a thread would wait for the first word of a silent client
        if conn.is_http2 or _has_more(conn):
            return None
        refusals: Refuser = self.wsgi.extensions["refusals"]
        try:
            said = refusals.answer(*asked)
        except Exception:  # it would end the loop, and with it the worker
            self.log.exception("cannot refuse")
            return None
        stays = bool(self.nr_conns <= self.max_keepalived)
        is_heard = conn.sock.reply(head, said if stays else said.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        refusals.note(asked.method, waited)
        return bool(stays and is_heard)


def _has_more(conn: TConn) -> bool:
    """Tell whether something was read that is not yet answered."""
    return bool(conn.parser and conn.parser.unreader.buf.getvalue())


def hand_over_with_a_question(listeners: Iterable[Any]) -> None:
    """Have the kernel keep a new connection until something was asked on it, a few seconds at most (Linux).

    Otherwise a thread waits for that, and nobody can see yet whether a probe has come.
    """
    for listener in listeners:
        if listener.sock.family != AF_UNIX and TCP_DEFER_ACCEPT is not None:
            listener.sock.setsockopt(IPPROTO_TCP, TCP_DEFER_ACCEPT, SILENT_SECONDS)
