"""A library in a database: six hundred books whose numbers are known, read from here and not through the pool."""

from __future__ import annotations

from datetime import datetime
from itertools import product

from sqlalchemy import insert

from testkit.databases import plain_engine
from tests.pool.tables import Author, Base, Book

_WHOSE = (
    *("The Admiral's", "The Baker's", "The Clerk's", "The Doctor's", "Every Editor's", "A Fisherman's"),
    *("The Gardener's", "The Hatter's", "My Innkeeper's", "The Judge's", "The King's", "No Lawyer's"),
    *("Frau Müller's", "The Nurse's", "The Orphan's", "The Pilot's", "A Queen's", "The Rabbi's"),
    *("The Sailor's", "Señor Tomé's", "An Usher's", "The Vicar's", "The Widow's", "The Younger Son's"),
)
_WHAT = (
    *("Apprentice", "Bargain", "Confession", "Daughter", "Errand", "Farewell", "Garden", "House", "Inheritance"),
    *("Journey", "Kitchen", "Letter", "Mistake", "Neighbour", "Oath", "Promise", "Quarrel", "Return", "Secret"),
    *("Théâtre", "Umbrella", "Voyage", "Winter", "Year", "Zeal"),
)
TITLES = [f"{whose} {what}" for whose, what in product(_WHOSE, _WHAT)]
TITLES[-1] = TITLES[0]  # one title is there twice; whoever asks for it is told the first
NUMBERS = {title: number for number, title in reversed(list(enumerate(TITLES, 1)))}
"""The lowest number of each title."""
NAMES = list(NUMBERS)
ONE = "The Doctor's Secret"
AUTHORS = 100


def answer(title: str) -> str:
    """Return the one right answer to a title, as a line of text."""
    return f'"{title}" is #{NUMBERS[title]}'


def fill(url: str) -> None:
    """Make the tables and put all books in."""
    now = datetime(2020, 2, 2)
    authors = [{"author_id": number, "name": f"Author {number}"} for number in range(1, AUTHORS + 1)]
    books = [
        {"book_id": number, "title": title, "author_id": 1 + number % AUTHORS, "last_update": now}
        for number, title in enumerate(TITLES, 1)
    ]
    with plain_engine(url).begin() as connection:
        Base.metadata.create_all(connection)
        connection.execute(insert(Author), authors)
        connection.execute(insert(Book), books)
