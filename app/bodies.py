"""Reading a body: JSON of a bounded size, in UTF-8, each name once, checked by a pydantic model field by field."""

import json
from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, request
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import to_jsonable_python
from werkzeug.exceptions import RequestEntityTooLarge

from app.application import this_request
from app.errors import FieldError, Problem
from app.fields import as_object, faults, refused
from app.media_types import JSON

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MERGE_PATCH = "application/merge-patch+json"
MAX_BODY_BYTES = 16 * 1024
MAX_DEPTH = 32
"""Objects and lists in one another."""

_IS_CUT = "app.body_is_cut"

EXACT = 2**53
"""Below this a float holds each whole number."""

MOST_TOLD = 20
"""Errors that an answer lists, or a body of nothing but errors would have one many times as long."""

Body = TypeVar("Body", bound="StrictBody")


class StrictBody(BaseModel):
    """What bodies derive from: a field that is not known is refused, and nothing is turned into another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


def init_app(app: Flask) -> None:
    """Bound the size of every body: who sends a longer one reads 413."""
    # One more, to see that there is more: without a length (chunked), Werkzeug cuts a body off there and says nothing.
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES + 1


def receive(environ: "WSGIEnvironment") -> None:
    """Read the body, as far as it may be: from here on nobody waits for the client."""
    length, stream = environ.get("CONTENT_LENGTH", ""), environ["wsgi.input"]
    most = MAX_BODY_BYTES + 1
    is_told = length.isascii() and length.isdigit()
    if not is_told:
        length = str(most) if environ.get("wsgi.input_terminated") else "0"
    if 0 < int(length) <= most:
        try:
            content = stream.read(int(length))
        except OSError:  # the client has gone
            content = None
        if content is None or (is_told and len(content) < int(length)):
            environ[_IS_CUT] = True
        environ["wsgi.input"] = BytesIO(content or b"")


def refuse_cut() -> None:
    """Raise Problem (400) for a request that did not come to its end, whatever it says so far; 501 for other codings.

    What was cut off may have been an order of half the length (RFC 9112, 8), also where its body says nothing.
    """
    environ = this_request().environ
    if _IS_CUT in environ:
        raise Problem("bad-request", "The body is not whole: it ended before the length that was told.")
    coding = environ.get("HTTP_TRANSFER_ENCODING")
    if coding is not None and coding.strip().lower() != "chunked":
        raise Problem("not-implemented", "Send the body as it is or chunked, in no other transfer coding.")


def body_bytes() -> bytes:
    """Return the body as it came; raise RequestEntityTooLarge (413)."""
    content = request.get_data()
    if len(content) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge
    return content


def read_body(model: type[Body]) -> Body:
    """Return the body as this model; raise Problem (400, 413, 415, 422)."""
    return checked(model, _read_json(JSON))


def read_patch() -> Any:
    """Return a merge patch (RFC 7396), for `patched`; raise Problem (400, 413, 415, 422)."""
    return _read_json(MERGE_PATCH, JSON)


def patched(model: type[Body], current: Mapping[str, Any], patch: Any) -> Body:
    """Return what the patch makes of the current fields, as this model; raise Problem (422) if that is none.

    The current ones are what a query gives: dates, decimals, enums and models among them are patched as their JSON.
    """
    return checked(model, merged(to_jsonable_python(current), patch))


def merged(target: Any, patch: Any) -> Any:
    """Return what RFC 7396 makes of the target: null takes a member away, an object goes into its members."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def checked(model: type[Body], value: Any) -> Body:
    """Return the value as this model; raise Problem (422) that names each wrong field."""
    if not isinstance(value, dict):
        raise invalid(FieldError(pointer="#", detail="It is not a JSON object."))
    try:
        # As JSON, where a date is a string and strict all the same.
        return model.model_validate_json(json.dumps(value))
    except ValidationError as error:
        raise invalid(*refused(model, value, error)) from error


def invalid(*fields: FieldError) -> Problem:
    """Return the 422 for a body in which these fields are wrong; of very many, the first ones are told."""
    more = f" And {len(fields) - MOST_TOLD} more." if len(fields) > MOST_TOLD else ""
    fields = fields[:MOST_TOLD]
    told = " ".join(f"{each.pointer}: {each.detail}" for each in fields) + more
    return Problem("invalid-content", f"The body cannot be used. {told}", fields=fields)


def _read_json(*media_types: str) -> Any:
    if "Content-Range" in request.headers:  # RFC 9110, 14.5: it would be taken for the whole
        raise Problem("bad-request", "Nothing is changed by ranges: leave out Content-Range, and send all of it.")
    if request.mimetype not in media_types:
        offered = {"Accept-Patch" if request.method == "PATCH" else "Accept": ", ".join(media_types)}
        raise Problem("unsupported-media-type", f"Send {' or '.join(media_types)}.", offered)
    if _is_encoded():
        raise Problem("unsupported-media-type", "Send it as it is, not compressed.", {"Accept-Encoding": "identity"})
    try:
        # RFC 8259 knows UTF-8 and no parameter that could say otherwise.
        value = json.loads(body_bytes().decode(), **_HOOKS)
    except UnicodeError as error:
        raise Problem("bad-request", "The body is not UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise Problem("bad-request", "The body is not JSON.") from error
    _refuse_depth(value)
    if found := tuple(faults(value)):
        raise invalid(*found)
    return value


def _is_encoded() -> bool:
    # A list of words without case (RFC 9110, 8.4); "identity" says that there is none.
    codings = request.headers.get("Content-Encoding", "").lower().split(",")
    return not {coding.strip() for coding in codings} <= {"", "identity"}


def _refuse_depth(value: Any) -> None:
    """Raise Problem (400) for what is nested so deep that nobody can have meant it."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        inside = (inner for each in level for inner in (each.values() if isinstance(each, dict) else each))
        level = [inner for inner in inside if isinstance(inner, dict | list)]
    if level:
        raise Problem("bad-request", f"The body is not read: it is nested more than {MAX_DEPTH} deep.")


def _number(text: str) -> float:
    # JSON has one kind of numbers, and JSON Schema takes 1.0 and 1e0 for integers.
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < EXACT else number


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _whole(digits: str) -> int | float:
    """Return a whole number; what has more digits than Python takes from text is as good as infinite (`faults`)."""
    try:
        return int(digits)
    except ValueError:
        return float("-inf" if digits.startswith("-") else "inf")


_HOOKS: dict[str, Any] = {
    "object_pairs_hook": as_object,
    "parse_int": _whole,
    "parse_float": _number,
    "parse_constant": _no_number,
}
