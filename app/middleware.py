"""What each request passes through on its way to a view and back, outermost first; nothing else is put in the way.

What is for one room alone is its blueprint's (`bp.before_request`); what becomes of an exception is in `errors.py`.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from flask import Flask, Response
from werkzeug.middleware.proxy_fix import ProxyFix

from app import access_log, bodies, consistency, logging, security, server_timing
from app.operations import metrics
from config import Settings
from steadypool import deadline

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    Wrapper = Callable[[WSGIApplication], WSGIApplication]

BEFORE_VIEWS: list[Callable[[], None]] = [
    bodies.refuse_cut,  # or half a request would be done
    security.refuse_malformed_query,  # or Werkzeug would stumble over it, or take it for something else
]
"""What may refuse a request, before its blueprint's own checks; first come first."""


def init_app(app: Flask, settings: Settings) -> None:
    """Put all of it around the application."""
    wsgi_app: WSGIApplication = app.wsgi_app
    for wrap in reversed(around_flask(app, settings)):
        wsgi_app = wrap(wsgi_app)
    app.wsgi_app = wsgi_app  # type: ignore[assignment, method-assign] # Flask's documented way
    for check in BEFORE_VIEWS:
        app.before_request(check)
    for look_at in reversed(after_views(app, settings)):  # Flask asks first whoever came last
        app.after_request(look_at)


def around_flask(app: Flask, settings: Settings) -> "list[Wrapper]":
    """Return what wraps Flask itself, outermost first."""
    hops = settings.trusted_proxy_hops
    proxied: Wrapper = partial(ProxyFix, x_for=hops, x_proto=hops, x_host=hops)
    return [
        # Whoever asks for the client's address, the scheme or the host must hear what the proxies say of them.
        *([proxied] if hops else []),
        # Around all that may answer, so that no answer leaves without the headers.
        security.protected,
        # Its clock runs for all that is further in, once the body is here; what is further out takes microseconds.
        partial(_within, settings.request_deadline_seconds),
        # Whatever is logged has the id; what is further out logs nothing.
        logging.identified,
        # Within the deadline: to wait for a replica takes its time.
        *([partial(consistency.following, app, settings)] if consistency.is_wanted(settings) else []),
    ]


def after_views(app: Flask, settings: Settings) -> list[Callable[[Response], Response]]:
    """Return what looks at each answer, an error's too, in the order in which it does."""
    return [
        # Not even asked for where it has nothing to say.
        *([server_timing.tell_browsers] if settings.environment == "development" else []),
        metrics.counting_answers(app),
        # The last, so that its line tells what leaves.
        access_log.logging_answers(settings),
    ]


def _within(seconds: float, wsgi_app: "WSGIApplication") -> "WSGIApplication":
    """Put each request under its deadline, from the moment a thread starts it."""

    def bounded(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if "CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ:
            bodies.receive(environ)  # a slow client does not use up what its database needs
        with deadline.within(seconds):
            return wsgi_app(environ, start_response)

    return bounded
