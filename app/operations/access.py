"""Who may see what is for operators: whoever has OPS_TOKEN or, where none is set, this machine alone.

The token comes as a bearer token or, because browsers ask for that, as the password of Basic authentication.
"""

import hmac
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from flask import current_app, request

from app.errors import Problem
from config import Settings

FORWARDED_BY = {"forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"}
"""Headers, beside x-forwarded-*, that say that somebody else asks through a proxy."""

CHALLENGE = {"WWW-Authenticate": 'Basic realm="operations", charset="UTF-8"'}


def require_operator() -> None:
    """Return if the client may see what is for operators; raise Problem (401, 403) otherwise."""
    settings: Settings = current_app.extensions["settings"]
    if settings.ops_token is not None:
        if not hmac.compare_digest(_presented().encode(), settings.ops_token.get_secret_value().encode()):
            raise Problem(
                "unauthorized", "This is for operators: send OPS_TOKEN as bearer token or password.", CHALLENGE
            )
    elif settings.environment == "production":
        raise Problem("forbidden", "This is for operators: it opens when OPS_TOKEN is set.")
    elif settings.trusted_proxy_hops or not _comes_from_this_machine():
        raise Problem("forbidden", "Without OPS_TOKEN this opens on this machine alone: as localhost, without a proxy.")


def refuse_other_sites() -> None:
    """Return unless a page of another site sent this; raise Problem (403) then.

    Browsers send the password of Basic authentication along with every form, wherever that is from; but they say so.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    # Where the way is not secure browsers send the second alone; programs send neither.
    is_ours = site in ("same-origin", "none") if site else origin is None or urlsplit(origin).netloc == request.host
    if not is_ours:
        raise Problem("forbidden", "A page of another site sent this; orders are given from our own, or by a program.")


def _presented() -> str:
    """Return the token that the client sent, empty if it sent none."""
    given = request.authorization
    if given is None or given.type not in ("bearer", "basic"):
        return ""
    return (given.token if given.type == "bearer" else given.password) or ""


def _comes_from_this_machine() -> bool:
    names = {name.lower() for name, _ in request.headers}
    was_forwarded = bool(names & FORWARDED_BY) or any(name.startswith("x-forwarded") for name in names)
    # A page of another site may have its name lead here, but it cannot change the Host that the browser sends.
    host = urlsplit(f"//{request.host}").hostname
    return _is_loopback(request.remote_addr) and _is_loopback(host) and not was_forwarded


def _is_loopback(text: str | None) -> bool:
    try:
        address = ip_address("127.0.0.1" if text == "localhost" else text or "")
    except ValueError:
        return False
    plain = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (plain or address).is_loopback
