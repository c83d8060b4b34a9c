"""Writing on a condition: If-Match and If-None-Match (RFC 9110, 13), compared inside the transaction that changes.

A write never passes a condition over: what its work has not compared does not hold.
"""

import re

from flask import g, request

from app.errors import Problem

ANY = {"*"}
_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
# A list may have empty places (RFC 9110, 5.6.1), and must have a tag.
_TAGS = re.compile(rf"[ \t,]*{_TAG}[ \t]*(?:,[ \t]*(?:{_TAG}[ \t]*)?)*")


def require_match(tag: str) -> None:
    """Return if the client has seen the version with this tag, quoted as in a header: If-Match names it, or any (`*`).

    Raises Problem: 428 without If-Match, 412 where it names others (a weak tag, `W/"…"`, matches nothing) or where
    If-None-Match names this one or any, 400 for what is no list of tags. To be called when the row is locked and known
    to exist.
    """
    g.conditions_compared = True
    seen, unseen = _tags("If-Match"), _tags("If-None-Match")
    if seen is not None and seen.isdisjoint({tag, *ANY}):
        raise Problem("precondition-failed", "It was changed since, or that is not its ETag. Get it again first.")
    # Here tags compare weakly.
    if unseen is not None and not {tag, *ANY}.isdisjoint(each.removeprefix("W/") for each in unseen):
        raise Problem("precondition-failed", "It is there already, as If-None-Match names it.")
    if seen is None:
        raise Problem("precondition-required", "Send the ETag of the version that you saw as If-Match.")


def require_compared() -> None:
    """Return if no condition is left over; to be called when the work is done, and before it is kept.

    Raises Problem: 412 where something was asked for that the work knows no version of, such as the list to which a
    POST adds: that it is there (`If-Match: *`) is true, and nothing else can be told of it; 400 like `require_match`.
    """
    seen, unseen = _tags("If-Match"), _tags("If-None-Match")
    if g.get("conditions_compared") or (unseen is None and seen in (None, ANY)):
        return
    raise Problem(
        "precondition-failed", "What this adds to has no versions: send it without If-Match and If-None-Match."
    )


def _tags(name: str) -> set[str] | None:
    """Return a header's tags, as they are quoted, or `*`; None without it. Raise Problem (400) if it is neither."""
    given = request.headers.get(name)
    if given is None:
        return None
    if given.strip(" \t") in ANY:
        return ANY
    if not _TAGS.fullmatch(given):
        told = f'{name} is neither * nor a list of entity tags, which stand in quotation marks: {name}: "abc", "def"'
        raise Problem("bad-request", told)
    return set(re.findall(_TAG, given))
