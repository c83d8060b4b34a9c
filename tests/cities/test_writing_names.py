"""What a city may be called: names of any script, composed, and nothing in them that nobody sees."""

from __future__ import annotations

import secrets
from io import BytesIO

import pytest
from sqlalchemy import func, select

from app.cities.commands.rows import Refusal, RowFile
from app.cities.models import City
from testkit.databases import Database
from tests.cities.client import Api, times_kept
from tests.support.problems import assert_problem

UNSEEN = {
    "\u200b": "U+200B ZERO WIDTH SPACE",
    "\u3164": "U+3164 HANGUL FILLER",
    "\u202e": "U+202E RIGHT-TO-LEFT OVERRIDE",
    "\u2028": "U+2028 LINE SEPARATOR",
    "\ufeff": "U+FEFF ZERO WIDTH NO-BREAK SPACE",
    "\u0085": "U+0085 <control>",
    "\ue000": "U+E000 <private use>",
    "\uffff": "U+FFFF <not a character>",
}
NAMES = [
    "نجف\u200cآباد",
    "കണ്ണൂര്\u200d",
    "L'Haÿ-les-Roses",
    "'s-Hertogenbosch",
    "N'Djamena",
    "Saint-Étienne",
    "6 de Mayo",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_any_script_is_kept_and_found(api: Api, name: str) -> None:
    added = api.add(name)

    assert added.get_json()["name"] == name
    found = api.client.get("/", query_string={"city": name}, headers={"Accept": "application/json"})
    assert added.get_json()["id"] in [each["id"] for each in found.get_json()["matches"]]


@pytest.mark.parametrize(("sign", "shown"), UNSEEN.items(), ids=ascii)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_nobody_sees_is_named(api: Api, writable: Database, sign: str, shown: str, method: str) -> None:
    nonce = secrets.token_hex(4)
    added = api.add(nonce)

    body = {"name": f"{nonce}{sign}", "country_id": 1}
    answer = api.send("POST", json=body) if method == "POST" else api.change("PATCH", added, body)

    assert_problem(answer, 422, "invalid-content", f"It has {shown}, which a name cannot have there", ["#/name"])
    with writable.connect() as connection:  # a collation may pass over the sign
        assert connection.scalar(select(func.count()).select_from(City).where(City.city.startswith(nonce))) == 1
    assert api.client.get(added.location or "").headers["ETag"] == added.headers["ETag"]


def test_half_of_a_character_is_an_error_of_its_field(api: Api) -> None:
    body = b'{"name": "Mal\\ud83dung", "country_id": 1, "more": [1, {"\\udc80": 1}]}'

    answer = api.send("POST", data=body, headers={"Content-Type": "application/json"})

    assert_problem(answer, 422, "invalid-content", "U+D83D", ["#/name", "#/more/1/%3F"])


def test_a_name_is_kept_composed_whoever_typed_it(api: Api, writable: Database) -> None:
    nonce = secrets.token_hex(4)

    added = api.add(f"  Malmo\u0308 {nonce}\u00a0")

    assert added.get_json()["name"] == f"Malmö {nonce}"
    assert times_kept(writable, f"Malmö {nonce}") == 1
    assert api.client.get(added.location or "").headers["ETag"] == added.headers["ETag"]


def test_files_are_held_to_the_same_rule() -> None:
    text = "city,country\nMalmo\u0308,Sweden\nLon\u200bdon,United Kingdom\nLima,Pe\u202eru\nنجف\u200cآباد,Iran\n"

    first, second, third, fourth = RowFile(BytesIO(text.encode()))

    assert getattr(first, "city", None) == "Malmö"
    assert second == Refusal(3, "city has U+200B ZERO WIDTH SPACE, which a name cannot have there")
    assert third == Refusal(4, "country has U+202E RIGHT-TO-LEFT OVERRIDE, which a name cannot have there")
    assert getattr(fourth, "city", None) == "نجف\u200cآباد"
