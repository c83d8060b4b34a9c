"""Who may write: whoever sends API_TOKEN as a bearer token (RFC 6750), and nobody where none is set."""

import hmac

from flask import current_app, request

from app.errors import Problem
from config import Settings

REALM = 'Bearer realm="api"'


def require_token() -> None:
    """Return if the client sent API_TOKEN; raise Problem (401, or 403 where writing is switched off) otherwise.

    For `before_request` of a blueprint: what writes is then behind it as a whole.
    """
    settings: Settings = current_app.extensions["settings"]
    if settings.api_token is None:
        raise Problem("forbidden", "Nothing can be written here: that opens when API_TOKEN is set.")
    given = request.authorization
    if given is None or given.type != "bearer" or not given.token:
        raise Problem(
            "unauthorized",
            "Send API_TOKEN as a bearer token, in the header Authorization.",
            {"WWW-Authenticate": REALM},
        )
    if not hmac.compare_digest(given.token.encode(), settings.api_token.get_secret_value().encode()):
        raise Problem(
            "unauthorized", "This is not the API_TOKEN.", {"WWW-Authenticate": f'{REALM}, error="invalid_token"'}
        )
