"""HTTP as browsers and proxies speak it: a connection is kept, looked at before it is used, and replaced."""

from __future__ import annotations

import http.client
import select
import socket
import time

from testkit.clients import Question

CUT_OFF = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)
"""How a connection that was closed before a byte of the answer looks from here."""
NOT_BEGUN = (*CUT_OFF, ConnectionRefusedError)
"""What comes of a request that nobody has begun to answer, on a new connection too."""


class KeptAlive:
    """One client's connection to a port of this machine; `seconds` is how long it waits for an answer."""

    def __init__(self, port: int, seconds: float) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)

    def ask(self, question: Question) -> tuple[int, str]:
        """Return status and text; what only reads is sent once more when a connection that was kept turns out closed.

        RFC 9110, section 9.2.2: what was sent on a kept connection that had been closed may be sent again if it only
        reads.
        """
        if was_dropped(self._connection.sock):
            self.close()
        # A response that says "Connection: close" leaves no socket, and the next request connects anew.
        was_kept = self._connection.sock is not None
        try:
            return self._exchange(question)
        except CUT_OFF:
            self.close()
            if not was_kept or question.kind == "write":
                raise
        except Exception:
            self.close()
            time.sleep(0.05)
            raise
        return self.ask(question)

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        self._connection.close()

    def _exchange(self, question: Question) -> tuple[int, str]:
        method = "POST" if question.kind == "write" else "GET"
        self._connection.request(method, question.path, headers={"Accept": question.accept} if question.accept else {})
        response = self._connection.getresponse()
        return response.status, response.read().decode()


def was_dropped(sock: socket.socket | None) -> bool:
    """Tell whether the server has closed a kept connection; clients with a pool look before they send."""
    return sock is not None and bool(select.select([sock], [], [], 0)[0])
