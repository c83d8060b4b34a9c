"""Which representation a client wants, and the headers that go with it; what is said is decided elsewhere."""

from hashlib import blake2b

from flask import Response, request

from app.errors import Problem
from app.media_types import HTML, JSON, TEXT, accepted, preferred


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
        ("Cache-Control", "no-cache"),
        ("ETag", tag_of(content)),
    ]
    if varies:
        headers.append(("Vary", "Accept"))
    response = Response(content, headers=headers)
    environ = request.environ
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
