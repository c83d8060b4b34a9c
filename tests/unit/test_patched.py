"""`patched` without a database: models among the current fields are gone into as objects are."""

from dataclasses import dataclass

from app.bodies import StrictBody, patched


@dataclass
class Place:
    """As a query may return it."""

    row: int
    side: str


class PlaceBody(StrictBody):
    row: int
    side: str


class Body(StrictBody):
    place: PlaceBody
    note: str | None = None


def test_a_patch_goes_into_what_a_query_returned() -> None:
    for current in (Place(3, "left"), PlaceBody(row=3, side="left"), {"row": 3, "side": "left"}):
        made = patched(Body, {"place": current, "note": "x"}, {"place": {"row": 4}, "note": None})

        assert made == Body(place=PlaceBody(row=4, side="left"))
