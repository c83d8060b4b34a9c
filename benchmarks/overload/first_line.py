"""The clock that is put around each application: from its first line to the start of its answer, told in a header."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADER = "Seconds-Inside"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApplication = Callable[[Message, Receive, Send], Awaitable[None]]


def timed_wsgi(wsgi_app: WSGIApplication) -> WSGIApplication:
    """Return the application with the header in each answer."""

    def first_line(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began = perf_counter()

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            return start_response(status, [*headers, (HEADER, f"{perf_counter() - began:.6f}")], *error)

        return wsgi_app(environ, start)

    return first_line


def timed_asgi(asgi_app: ASGIApplication) -> ASGIApplication:
    """Return the application with the header in each answer."""

    async def first_line(scope: Message, receive: Receive, send: Send) -> None:
        began = perf_counter()

        async def start(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (HEADER.encode(), b"%.6f" % (perf_counter() - began))]
            await send(message)

        await asgi_app(scope, receive, start)

    return first_line
