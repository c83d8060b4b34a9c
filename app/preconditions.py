"""Changing only what one has seen: If-Match (RFC 9110, 13.1.1), compared inside the transaction that changes it."""

from flask import request

from app.errors import Problem


def require_match(tag: str) -> None:
    """Return if If-Match names this tag, quoted as in a header, or any (`*`).

    Raises Problem: 428 without the header, 412 where it names others; a weak tag (`W/"…"`) matches nothing.
    To be called when the row is locked and known to exist.
    """
    if "If-Match" not in request.headers:
        raise Problem("precondition-required", "Send the ETag of the version that you saw as If-Match.")
    if not request.if_match.contains(tag.strip('"')):
        raise Problem("precondition-failed", "It was changed since, or that is not its ETag. Get it again first.")
