"""fold(): what makes two spellings the same name."""

from __future__ import annotations

import unicodedata

import pytest

from app.cities.names import MAX_NAME_LENGTH, first_behind, fold
from tests.cities import sakila as cities


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("London", "LONDON"),
        ("London", "  London\u00a0"),
        ("São Leopoldo", "SAO LEOPOLDO"),
        ("São Leopoldo", unicodedata.normalize("NFD", "São Leopoldo")),
        ("Šostka", "šostka"),
        ("Xi´angtan", "xi'angtan"),
        ("Xi´angtan", "XI’ANGTAN"),
        ("´s-Hertogenbosch", "'S-HERTOGENBOSCH"),
        ("Straße", "STRASSE"),
        ("Αθήνα", "ΑΘΗΝΑ"),
        ("İzmir", "izmir"),
    ],
)
def test_the_same_name(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("London", "Londn"),
        ("London", "Lon don"),
        ("London", "London%"),
        ("al-Ayn", "al Ayn"),
        ("Xi´angtan", "Xiangtan"),
        ("😀", "😁"),
        ("Kraków", "Krakow "[:5]),
        ("", "'"),
    ],
)
def test_another_name(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_folding_twice_changes_nothing() -> None:
    for name in cities.names():
        assert fold(fold(name)) == fold(name)


@pytest.mark.parametrize("spelling", cities.SPELLINGS)
def test_only_london_is_there_twice(spelling: str) -> None:
    spell = cities.SPELLINGS[spelling]

    assert len({fold(spell(name)) for name in cities.names()}) == 599


def test_every_name_fits() -> None:
    assert max(map(len, cities.names())) <= MAX_NAME_LENGTH


def test_blanks_that_an_accent_kept_apart_are_outer_ones() -> None:
    assert fold("\u0301 London") == "london"


@pytest.mark.parametrize(
    ("beginning", "end"),
    [("lon", "loo"), ("z", "{"), ("x\ud7ff", "x\ue000"), ("x\U0010ffff", "x\U0010ffff"), ("", "\U0010ffff")],
)
def test_where_the_keys_with_a_beginning_end(beginning: str, end: str) -> None:
    assert first_behind(beginning) == end
    end.encode()
