"""Which characters a name may have: names of real places pass, in whatever script; what nobody sees does not."""

from __future__ import annotations

import re
import unicodedata

import pytest
from pydantic_core import PydanticCustomError

from app.characters import NAME_PATTERN, unfit
from app.parameters import proper_name

REAL = [
    "L'Haÿ-les-Roses",
    "’s-Hertogenbosch",
    "'s-Hertogenbosch",
    "Saint-Étienne",
    "N'Djamena",
    "Coronel Bogado (2ª Sección)",
    "100 Mile House",
    "São Tomé & Príncipe",
    "Llanfair\u00a0P. G.",
    "Ägilshöfn!",
    "東京",
    "葛\U000e0100城市",  # Katsuragi, as the city itself writes it
    "서울특별시",
    "Хабаровск",
    "Αθήνα",
    "יְרוּשָׁלַיִם",
    "القاهرة",
    "کهگیلویه و بویراحمد",
    "نجف\u200cآباد",  # Najafabad
    "خمینی\u200cشهر",
    "श्री\u200dनगर",
    "कन्\u200dनौज",  # Kannauj
    "র\u200d্যাঙ্ক",
    "ක්\u200dරියුලාන",
    "തൃശ്ശൂര്\u200d",  # Thrissur, ended by a joiner as all wrote it before 2008
    "ᠬᠥᠬᠡᠬᠣᠲᠠ",
    "ᠪᠠᠭ᠎ᠠ",
    "မန္တလေး",
    "ភ្នំពេញ",
    "กรุงเทพมหานคร",
    "አዲስ አበባ",
    "ཀླུ་ཚང",
    "𞤂𞤢𞤣𞤮",
    "𮯠市",  # of Unicode 15.1: newer than what some Pythons know
    "I ❤\ufe0f NY",
    "👨\u200d👩\u200d👧 & ❤\ufe0f\u200d🔥",
    "1\ufe0f\u20e3",
]

UNSEEN = [
    *("\u200b", "\u200e", "\u200f", "\u2060", "\ufeff", "\u00ad", "\u061c", "\u2028", "\u2029", "\u3164", "\u115f"),
    *("\u1160", "\uffa0", "\u2800", "\u17b4", "\u17b5", "\u034f", "\u202a", "\u202e", "\u2066", "\u2069", "\ufff9"),
    *("\ufffc", "\ufffd", "\0", "\n", "\t", "\x7f", "\x85", "\ud83d", "\udc80", "\ue000", "\U000f0000", "\uffff"),
    *("\ufdd0", "\U0010ffff", "\U000e0041", "\U000e0001", "\ufff0", "\U000e01f0", "\U0001d173"),
]


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_of_real_places_pass_and_are_kept_composed(name: str, form: str) -> None:
    typed = unicodedata.normalize(form, name)  # type: ignore[arg-type] # one of the two above

    assert proper_name(50)(f" {typed} ") == unicodedata.normalize("NFC", name)
    assert re.fullmatch(NAME_PATTERN, typed)


@pytest.mark.parametrize("sign", UNSEEN, ids=ascii)
@pytest.mark.parametrize("name", ["{}", "{}London", "Lon{}don", "London{}", "北{}京", "نج{}ف"])
def test_what_nobody_sees_is_named(name: str, sign: str) -> None:
    assert unfit(name.format(sign)) == sign
    with pytest.raises(PydanticCustomError, match=rf"^has U\+{ord(sign):04X} \S"):
        proper_name(50)(name.format(sign))


@pytest.mark.parametrize("sign", ["\u200c", "\u200d", "\ufe0f", "\u180e", "\U000e0100"], ids=ascii)
@pytest.mark.parametrize(
    "name", ["{}", "{}London", "Lon{}don", "London{}", "New {}York", "Malmö{}", "Лон{}дон", "نج {}ف"]
)
def test_signs_that_shape_letters_stand_behind_those_that_they_shape(name: str, sign: str) -> None:
    assert unfit(name.format(sign)) == sign


@pytest.mark.parametrize(
    "name", ["北\u200d京", "نجف\u200c", "نجف\u200c آباد", "نجف\u200c\u200cآباد", "12\u200d34"], ids=ascii
)
def test_joiners_stand_between_letters_that_join(name: str) -> None:
    assert unfit(name) in ("\u200c", "\u200d")


@pytest.mark.parametrize("blank", ["", " ", "\u00a0", "\u2003\u3000", "\u1680"], ids=ascii)
def test_blanks_alone_are_no_name(blank: str) -> None:
    with pytest.raises(PydanticCustomError, match="is empty"):
        proper_name(50)(blank)


def test_what_is_kept_is_counted() -> None:
    assert proper_name(1)("e\u0301") == "é"
    with pytest.raises(PydanticCustomError, match="has 2 characters"):
        proper_name(1)("\u0958")  # which is two once it is composed
