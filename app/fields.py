"""What is wrong with which field of a body: each error with the pointer that leads to it, in words that help."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import isfinite
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from app.errors import FieldError

Place = tuple[int | str, ...]

_SAID = {"missing": "is missing", "extra_forbidden": "is not known"}
_HALF = re.compile("[\ud800-\udfff]")


class Repeating(dict[str, Any]):
    """An object that has some names more than once, and which one counts nobody has laid down."""

    repeated: Sequence[str] = ()


def as_object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of these names and values."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeating = Repeating(found)
    repeating.repeated = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
    return repeating


def faults(value: Any, place: Place = ()) -> Iterator[FieldError]:
    """Yield what JSON allows and no field can be: a name twice, half of a character, a number beyond all numbers."""
    if isinstance(value, Repeating):
        for name in value.repeated:
            yield FieldError(pointer=pointer((*place, name)), detail="It is given more than once.")
    if isinstance(value, str) and (half := _HALF.search(value)):
        yield FieldError(pointer=pointer(place), detail=f"It has U+{ord(half[0]):04X}, which is half of a character.")
    if isinstance(value, float) and not isfinite(value):
        yield FieldError(pointer=pointer(place), detail="It is too large a number.")
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in inside:
        if isinstance(step, str) and _HALF.search(step):
            yield FieldError(pointer=pointer((*place, step)), detail="Its name has half of a character.")
        yield from faults(inner, (*place, step))


def refused(model: type[BaseModel], value: Any, error: ValidationError) -> list[FieldError]:
    """Return what the model says against the value, each thing once."""
    found = [_refusal(model, value, each) for each in error.errors(include_url=False)]
    # Of a union each member has its own objection.
    return list({(each.pointer, each.detail): each for each in found}.values())


def pointer(place: Place) -> str:
    """Return the JSON pointer to a place, as a fragment: `#/route/0/a~1b` (RFC 6901, 3 and 6), `#` for the whole."""
    escaped = (str(step).replace("~", "~0").replace("/", "~1") for step in place)
    return "#" + "".join("/" + quote(step, safe="~", errors="replace") for step in escaped)


def _refusal(model: type[BaseModel], value: Any, error: ErrorDetails) -> FieldError:
    place = _place(value, error)
    # What our own checks raise goes on behind a noun (app.parameters.wrong).
    said = _SAID.get(error["type"]) or (error["msg"] if error["type"] == "bad_parameter" else "is not what is allowed")
    allowed = _described(_schema(model), place) or _expected(error)
    return FieldError(pointer=pointer(place), detail=f"It {said}{f'; allowed is {allowed}' if allowed else ''}.")


def _place(value: Any, error: ErrorDetails) -> Place:
    """Return where in the value that is: pydantic's own words for it name members of unions and checks, too."""
    place: list[int | str] = []
    for step in error["loc"]:
        is_there = step in value if isinstance(value, dict) else isinstance(value, list) and isinstance(step, int)
        if is_there:
            place.append(step)
            value = value[step]
    return (*place, error["loc"][-1]) if error["type"] == "missing" else tuple(place)


def _expected(error: ErrorDetails) -> str:
    """Return the choices, where the type of the field is one of some."""
    context = error.get("ctx", {})
    if "expected_tags" in context:
        return f"{context['discriminator']} as one of {context['expected_tags']}"
    return str(context["expected"]) if error["type"] in ("enum", "literal_error") else ""


@lru_cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _described(schema: dict[str, Any], place: Place) -> str:
    """Return the description that the field itself has at this place of the schema, "" without one."""
    at = [schema] if place else []
    for step in place:
        at = [inner for each in at for inner in _inside(each, step, schema.get("$defs", {}))]
    return next((str(each["description"]) for each in at if "description" in each), "")


def _inside(schema: dict[str, Any], step: int | str, definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "$ref" in schema:
        yield from _inside(definitions[schema["$ref"].rpartition("/")[2]], step, definitions)
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _inside(choice, step, definitions)
    if isinstance(step, int):
        known, others = schema.get("prefixItems", ())[step : step + 1], schema.get("items")
    else:
        properties = schema.get("properties", {})
        known, others = [properties[step]] if step in properties else [], schema.get("additionalProperties")
    yield from known or ([others] if isinstance(others, dict) else [])
