"""What holds for every request and every answer: only well-formed text in, protective headers out."""

from urllib.parse import unquote_to_bytes

from flask import Flask, Response, request

from app.errors import Problem

HEADERS = {
    # Everything the pages need is one stylesheet, one icon and a form to ourselves.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def init_app(app: Flask) -> None:
    """Refuse malformed queries and add the headers on every route."""
    app.before_request(_refuse_malformed_query)
    app.after_request(_protect)


def _refuse_malformed_query() -> None:
    # Werkzeug keeps a bad escape as text and stumbles over bad raw bytes; neither is what the client meant.
    try:
        unquote_to_bytes(request.query_string).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem(
            "bad-request", "The query is not valid UTF-8; send names as percent-encoded UTF-8, as in ?city=%C5%8Cmiya."
        ) from error


def _protect(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
