"""Reading the query string: each parameter once, checked by a pydantic model, refused with a sentence that helps."""

import re
import unicodedata
from collections.abc import Callable
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, JsonValue, ValidationError
from pydantic_core import PydanticCustomError

from app.application import this_request
from app.characters import NAME_PATTERN, shown_code, unfit
from app.errors import Problem

MAX_ID = 2_147_483_647
"""The largest value of INT, the type of all ids."""

MAX_LIMIT = 100
_CONTROL = r"\u0000-\u001f\u007f-\u009f"
_CONTROLS = re.compile(f"[{_CONTROL}]")

Parameters = TypeVar("Parameters", bound=BaseModel)


def read_query(model: type[Parameters]) -> Parameters:
    """Return the query's parameters as this model; parameters that it does not know are ignored.

    Raises Problem (400) naming the first bad parameter, what was wrong and what is allowed.
    """
    args, given = this_request().args, dict[str, str]()
    for name in model.__pydantic_fields__:
        if name in args:
            given[name], *more = args.getlist(name)
            if more:
                times = 1 + len(more)
                raise Problem("bad-request", f'The parameter "{name}" is given {times} times; allowed is once.')
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise refusal(str(first["loc"][0]), first["msg"], model) from error


def refusal(name: str, wrong: str, model: type[BaseModel]) -> Problem:
    """Return the 400 for this parameter of the model: what is wrong with it, what is allowed."""
    allowed = model.model_fields[name].description
    return Problem("bad-request", f'The parameter "{name}" {wrong}; allowed is {allowed}.')


def known_id(text: str, kind: str) -> int:
    """Return the id that stands in a path, or raise Problem (404): nothing can have any other.

    Flask's own converter takes digits of every script and numbers that no database can hold.
    """
    if not re.fullmatch(r"[1-9][0-9]{0,9}", text) or int(text) > MAX_ID:
        raise no_such(kind, text)
    return int(text)


def no_such(kind: str, text: str) -> Problem:
    """Return the 404 for an id that nothing has."""
    return Problem("not-found", f"No {kind} has the id {shown(text)}.")


def whole_number(lowest: int, highest: int) -> Callable[[object], int]:
    """Return a check for plain ASCII digits within these bounds (int() would also take "1_0", " 7" and "٣")."""

    def check(value: object) -> int:
        if isinstance(value, int):  # a default of ours
            return value
        text = str(value)
        if not re.fullmatch(r"[0-9]{1,10}", text) or not lowest <= int(text) <= highest:
            raise wrong(f"is {shown(text)}")
        return int(text)

    return check


def readable_text(longest: int) -> Callable[[str], str]:
    """Return a check that leaves text as it is: characters between its outer blanks, so many at most, none of control.

    `text_schema` says the same to programs.
    """

    def check(value: str) -> str:
        if has_control_character(value):
            raise wrong("contains a control character")
        length = len(value.strip())
        if not length:
            raise wrong("is empty")
        if length > longest:
            raise wrong(f"has {length} characters")
        return value

    return check


def text_schema(longest: int) -> dict[str, JsonValue]:
    """Return what JSON Schema can say of `readable_text`: the outer blanks count, so it promises the stricter rule."""
    pattern = rf"^[^{_CONTROL}]*[^\s{_CONTROL}][^{_CONTROL}]*$"
    return {"minLength": 1, "maxLength": longest, "pattern": pattern}


def proper_name(longest: int) -> Callable[[str], str]:
    """Return a check that gives a name as it is to be kept: without outer blanks, composed (NFC), so long at most.

    Nothing is in it that nobody sees (`app/characters.py`). `name_schema` says the same to programs.
    """

    def check(value: str) -> str:
        if found := unfit(value):
            raise wrong(f"has {shown_code(found)}, which a name cannot have there")
        name = unicodedata.normalize("NFC", value.strip())
        if not name:
            raise wrong("is empty")
        if len(name) > longest:
            raise wrong(f"has {len(name)} characters")
        return name

    return check


def name_schema(longest: int) -> dict[str, JsonValue]:
    """Return what JSON Schema can say of `proper_name`: less than all of it, since it cannot look at neighbours."""
    return {"minLength": 1, "maxLength": longest, "pattern": NAME_PATTERN}


def has_control_character(value: str) -> bool:
    """Tell whether there is one of Unicode's category Cc, which is not only those of ASCII."""
    return _CONTROLS.search(value) is not None


def wrong(what: str) -> PydanticCustomError:
    """Return the error for a check to raise; `what` continues the words "The parameter …"."""
    # Curly braces would be read as a template's places.
    return PydanticCustomError("bad_parameter", "{what}", {"what": what})


def shown(text: str) -> str:
    """Return what was typed, in quotes, shortened, and with nothing in it that could break a line."""
    visible = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return f'"{visible[:40]}…"' if len(visible) > 40 else f'"{visible}"'


Id = Annotated[
    int,
    Field(ge=1, le=MAX_ID, description=f"a whole number from 1 to {MAX_ID}"),
    BeforeValidator(whole_number(1, MAX_ID)),
]
PageLimit = Annotated[
    int,
    Field(ge=1, le=MAX_LIMIT, description=f"a whole number from 1 to {MAX_LIMIT}"),
    BeforeValidator(whole_number(1, MAX_LIMIT)),
]
