"""Which representation a client wants, and the headers that go with it; what is said is decided elsewhere."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING

from flask import Response, request
from werkzeug.datastructures import Headers
from werkzeug.wsgi import ClosingIterator

from app.application import this_request
from app.errors import Problem
from app.media_types import HTML, JSON, TEXT, accepted, preferred

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Sound(Headers):
    """Headers made of what is known to be well-formed; the usual way looks at each name and value."""

    def __init__(self, given: Iterable[tuple[str, str]] = ()) -> None:
        self._list = list(given)


class Whole(Response):
    """An answer of one piece, whose headers leave as they were set; the usual way copies and checks each once more."""

    automatically_set_content_length = False  # it is set

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Send it."""
        if self.status_code != 200 or environ["REQUEST_METHOD"] == "HEAD":
            return super().__call__(environ, start_response)
        start_response(self.status, self.headers.to_wsgi_list())
        return ClosingIterator(self.response, self.close)  # type: ignore[arg-type] # of bytes


def chosen() -> str:
    """Return the media type to answer in: text, JSON or HTML.

    Raises Problem (406) when the client takes none of them.
    """
    return preferred() or _refuse(f"{TEXT}, {JSON} or {HTML}")


def require(media_type: str) -> None:
    """Raise Problem (406) unless the client takes this media type."""
    if request.headers.get("Accept", "").strip() and not accepted()[media_type]:
        _refuse(media_type)


def answer(body: str, media_type: str, *, varies: bool = False) -> Response:
    """Return a 200 that a cache may keep but must ask about, or the 304 if the client has this very body already.

    `varies` tells caches that the same address has other representations. Raises Problem (412) where If-Match names
    other versions.
    """
    content = body.encode()
    headers = [
        ("Content-Type", f"{media_type}; charset=utf-8" if media_type != JSON else JSON),
        ("Content-Length", str(len(content))),
        ("Cache-Control", "no-cache"),
        ("ETag", tag_of(content)),
    ]
    if varies:
        headers.append(("Vary", "Accept"))
    response = Whole([content], headers=Sound(headers))
    environ = this_request().environ
    # Few ask on a condition; to find that out costs Werkzeug 20 microseconds.
    if "HTTP_IF_NONE_MATCH" in environ or "HTTP_IF_MATCH" in environ:
        response.make_conditional(environ)
        if response.status_code == 412:
            raise Problem("precondition-failed", "It is another version than those that If-Match names.")
    return response


def tag_of(content: bytes) -> str:
    """Return the strong entity tag of this representation, quoted as in a header."""
    return f'"{blake2b(content, digest_size=16).hexdigest()}"'


def _refuse(offered: str) -> str:
    raise Problem("not-acceptable", f"This address answers in {offered}; the Accept header allows none of that.")
