"""Invented cities: always the same ones, with names like real ones, repeated about as often."""

from __future__ import annotations

from collections import Counter

import pytest

from app.cities.commands.synthetic import OWN_NAME, Invented, Names
from app.cities.names import MAX_NAME_LENGTH, fold

FIRST, LAST = 601, 60_600


@pytest.fixture(scope="module")
def names() -> Names:
    return Names()


@pytest.fixture(scope="module")
def cities(names: Names) -> list[Invented]:
    return names.cities(FIRST, LAST)


def test_any_part_is_made_without_the_rest_and_is_the_same(names: Names) -> None:
    whole = Counter(names.cities(601, 4600))
    parts = Counter(names.cities(601, 1234)) + Counter(names.cities(1235, 1235)) + Counter(Names().cities(1236, 4600))

    assert whole == parts
    assert whole.total() == 4000


def test_same_cities_on_every_machine_and_version(names: Names) -> None:
    assert [city.city for city in names.cities(601, 605)] == [
        "Ciašintai",
        "Demylto",
        "Goiâsmawe",
        "Hujayartu",
        "Rucoalé",
    ]


def test_they_come_in_the_order_of_the_index(cities: list[Invented]) -> None:
    assert [city.city_key for city in cities] == sorted(city.city_key for city in cities)


def test_keys_are_what_the_lookup_folds_names_to(cities: list[Invented]) -> None:
    assert [city for city in cities if fold(city.city) != city.city_key] == []


def test_names_are_like_real_ones(cities: list[Invented]) -> None:
    lengths = [len(city.city) for city in cities]

    assert max(lengths) <= MAX_NAME_LENGTH
    assert 8 < sum(lengths) / len(lengths) < 11  # GeoNames: 9.8
    assert sum(not city.city.isascii() for city in cities) > len(cities) / 10
    assert sum("´" in city.city for city in cities) > 100
    assert sum(city.city.startswith("San ") for city in cities) > 500


def test_most_names_are_borne_once_and_the_most_frequent_by_a_bounded_share(cities: list[Invented]) -> None:
    counts = Counter(city.city_key for city in cities)
    own = sum(number for number in counts.values() if number == 1) / len(cities)
    (_, most), *_ = counts.most_common(1)

    assert own > OWN_NAME
    assert 10 <= most <= 30  # 0.03 % of 60,000


def test_they_lie_in_sakilas_countries_as_sakilas_cities_do(cities: list[Invented]) -> None:
    counts = Counter(city.country_id for city in cities)

    assert counts.keys() <= set(range(1, 110))
    assert counts.most_common(1)[0][0] == 44  # India
