"""Reading one's own writes where reads go to a replica: a token with each answer to a write, which a read brings back.

It says how far the primary was, and is signed with a key made of API_TOKEN: only who was let write has one, all
instances know it, and what somebody else made up is as good as none.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

from flask import Flask, Response, current_app, request
from sqlalchemy import Connection

from app.extensions import db
from config import Settings
from steadypool import after, in_transaction

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

T = TypeVar("T")

HEADER, COOKIE = "Consistency-Token", "consistency_token"
ENVIRON = "HTTP_" + HEADER.upper().replace("-", "_")
COOKIE_SECONDS = 300
"""How long a browser brings it back; a replica that lags by more is in trouble."""

MOST_POSITION_BYTES = 1500
"""A cookie has 4096 at the most; of a position that is longer nobody is told, and reads go to the primary."""
SIGNATURE_BYTES = 16

PATTERN = r"[A-Za-z0-9_-]{0,2000}\.[A-Za-z0-9_-]{22}"
_IN_COOKIES = re.compile(rf"(?:^|;\s*){COOKIE}=({PATTERN})(?:;|$)")


def is_wanted(settings: Settings) -> bool:
    """Tell whether a read may come too late to see a write: reads go to another server, and somebody may write."""
    return settings.waits_for_replica and settings.api_token is not None


def following(app: Flask, settings: Settings, wsgi_app: "WSGIApplication") -> "WSGIApplication":
    """Have the reads of a request that brings a token see what its write has written."""
    with app.app_context():
        primary = db.engine

    def followed(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if ENVIRON not in environ and COOKIE not in environ.get("HTTP_COOKIE", ""):
            return wsgi_app(environ, start_response)
        position = _brought(_key(settings), environ)
        if position is None:
            return wsgi_app(environ, start_response)
        with after(position, primary):
            return wsgi_app(environ, start_response)

    return followed


def written(work: Callable[[Connection], T]) -> tuple[T, str | None]:
    """Return what `in_transaction` does and, where a replica may be behind, how far the writer is then."""
    positions: list[str] = []
    settings: Settings = current_app.extensions["settings"]
    result = in_transaction(db.engine, work, tell_position=positions.append if is_wanted(settings) else None)
    return result, next(iter(positions), None)


def marked(response: Response, position: str | None) -> Response:
    """Return the answer to a write with its token, if there is a position."""
    if position is None:
        return response
    settings: Settings = current_app.extensions["settings"]
    token = _token(_key(settings), position if len(position) <= MOST_POSITION_BYTES else "")
    response.headers[HEADER] = token
    response.set_cookie(
        COOKIE,
        token,
        max_age=COOKIE_SECONDS,
        path=request.script_root or "/",
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )
    return response


def _key(settings: Settings) -> bytes:
    assert settings.api_token is not None  # noqa: S101 -- whoever asks knows that there is one
    return hmac.digest(settings.api_token.get_secret_value().encode(), HEADER.encode(), "sha256")


def _token(key: bytes, position: str) -> str:
    return f"{_text(position.encode())}.{_text(_signature(key, position.encode()))}"


def _signature(key: bytes, position: bytes) -> bytes:
    return hmac.new(key, position, sha256).digest()[:SIGNATURE_BYTES]


def _brought(key: bytes, environ: "WSGIEnvironment") -> str | None:
    """Return the position of the token in the header or, without one, in the cookie; None if it is none of ours."""
    token = environ.get(ENVIRON) or next(iter(_IN_COOKIES.findall(environ.get("HTTP_COOKIE", ""))), "")
    if not re.fullmatch(PATTERN, token):
        return None
    packed, _, _ = token.partition(".")
    try:
        position = urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()
    except ValueError:
        return None
    return position if hmac.compare_digest(_token(key, position), token) else None


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")
