"""One value after the other against its field: what does not fit is told in words, with what would."""

from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from settings.problems import BadSetting, RefusedError
from settings.secrets import shown_setting

Fields = TypeVar("Fields", bound=BaseModel)


def validated(kind: type[Fields], values: Mapping[str, str]) -> tuple[Fields, list[BadSetting]]:
    """Return the settings, with defaults for those that cannot be used, and what is wrong with the latter."""
    fields = {name.lower(): value for name, value in values.items()}
    try:
        return kind.model_validate(fields), []
    except ValidationError as error:
        # A default that is made from another field is not made when that one is wrong: no problem of its own.
        errors = [each for each in error.errors() if each["type"] != "default_factory_not_called"]
    problems = []
    for each in errors:
        name = str(each["loc"][0])
        refused = each.get("ctx", {}).get("error")
        if not isinstance(refused, RefusedError):
            field = kind.model_fields[name]
            default = _as_typed(field.get_default(call_default_factory=True))
            refused = RefusedError(f"is not {allowed(field)}", f"correct it, or leave it out (default {default})")
        value = fields.pop(name)
        problems.append(BadSetting(name.upper(), shown_setting(name.upper(), value), refused.reason, refused.remedy))
    return kind.model_validate(fields), problems


def allowed(field: FieldInfo) -> str:
    """Return in words what a field of numbers, choices or on/off takes."""
    if field.annotation is bool:
        return "on or off"
    if get_origin(field.annotation) is Literal:
        return f"one of {', '.join(get_args(field.annotation))}"
    bounds = {key: getattr(item, key) for item in field.metadata for key in ("gt", "ge", "le") if hasattr(item, key)}
    low = f"from {bounds['ge']}" if "ge" in bounds else f"above {bounds['gt']}"
    return f"a {'whole ' if field.annotation is int else ''}number {low} up to {bounds['le']}"


def _as_typed(value: Any) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
