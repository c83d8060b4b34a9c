"""What the API takes and gives, as models: they check parameters, write the JSON and are what /openapi.json shows."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, WithJsonSchema

from app.cities.names import MAX_KEY_LENGTH, MAX_NAME_LENGTH
from app.cities.queries import CityRow, CountryRow, Cursor
from app.parameters import (
    MAX_ID,
    Id,
    PageLimit,
    has_control_character,
    name_schema,
    proper_name,
    readable_text,
    text_schema,
    wrong,
)

DEFAULT_LIMIT = 50
NAME_RULE = f"1 to {MAX_NAME_LENGTH} characters, without control characters"
KEPT_NAME_RULE = f"1 to {MAX_NAME_LENGTH} characters, none of control and none that nobody sees"
Name = Annotated[
    str, AfterValidator(readable_text(MAX_NAME_LENGTH)), Field(json_schema_extra=text_schema(MAX_NAME_LENGTH))
]

KeptName = Annotated[
    str, AfterValidator(proper_name(MAX_NAME_LENGTH)), Field(json_schema_extra=name_schema(MAX_NAME_LENGTH))
]


class Country(BaseModel):
    """A country."""

    id: Annotated[int, Field(ge=1)]
    name: str

    @classmethod
    def of(cls, row: CountryRow | CityRow) -> "Country":
        """Return the country of this row."""
        return cls(id=row.country_id, name=row.country)


class City(BaseModel):
    """A city with its country."""

    id: Annotated[int, Field(ge=1)]
    name: str
    country: Country

    @classmethod
    def of(cls, row: CityRow) -> "City":
        """Return the city of this row."""
        return cls(id=row.city_id, name=row.city, country=Country.of(row))


class Matches(BaseModel):
    """Every city of that name; `id` is the lowest one's."""

    query: str
    id: int
    matches: list[City]


class CityPage(BaseModel):
    """Some cities, and where the next ones are."""

    items: list[City]
    next: str | None


class CountryPage(BaseModel):
    """Some countries, and where the next ones are."""

    items: list[Country]
    next: str | None


def encode_cursor(cursor: Cursor) -> str:
    """Return the cursor as text for a URL; clients hand it back and need not understand it."""
    packed = json.dumps(cursor, ensure_ascii=False, separators=(",", ":")).encode()
    return urlsafe_b64encode(packed).decode().rstrip("=")


def decode_cursor(text: object) -> Cursor:
    """Return the cursor that `encode_cursor` made this text of; any other text is refused."""
    try:
        padded = str(text) + "=" * (-len(str(text)) % 4)
        key, last_id = json.loads(urlsafe_b64decode(padded.encode("ascii")))
        # What we would not have written ourselves is somebody's own making, so that one comparison checks all the rest.
        genuine = type(key) is str and type(last_id) is int and encode_cursor(Cursor(key, last_id)) == text
    except (ValueError, TypeError, RecursionError):
        genuine = False
    if not genuine or len(key) > MAX_KEY_LENGTH or "\0" in key or not 1 <= last_id <= MAX_ID:
        raise wrong("was not made by this API")
    return Cursor(key, last_id)


CursorText = Annotated[
    Cursor,
    BeforeValidator(decode_cursor),
    WithJsonSchema({"type": "string", "format": "cursor"}),
]


class LookupParameters(BaseModel):
    """The parameter of the lookup."""

    city: Annotated[Name | None, Field(description=f"a name of {NAME_RULE}")] = None


def in_plain_words(typed: list[str]) -> tuple[str, str]:
    """Return heading and sentence about a name that was refused, for people who see a page and no parameters."""
    length = len(typed[0].strip())
    if len(typed) > 1:
        return "More than one name", "Look them up one at a time."
    if has_control_character(typed[0]):
        return "This name cannot be looked up", "It contains a control character, such as a line break."
    if not length:
        return "No name was typed", "Type the name of a city."
    return "This name is too long", f"It has {length} characters; a name has {MAX_NAME_LENGTH} at most."


class Paging(BaseModel):
    """The parameters of every list."""

    limit: PageLimit = DEFAULT_LIMIT
    cursor: Annotated[CursorText | None, Field(description='the one in the "next" link of the page before')] = None


class CityFilter(Paging):
    """The parameters of the list of cities; all that are given must fit."""

    name: Annotated[Name | None, Field(description=f"a whole name of {NAME_RULE}")] = None
    prefix: Annotated[Name | None, Field(description=f"the start of a name, of {NAME_RULE}")] = None
    country_id: Annotated[Id | None, Field(description=f"a whole number from 1 to {MAX_ID}")] = None
