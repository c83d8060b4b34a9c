"""What a CSV of one's own says: a good row or a refusal for each of its lines, one after the other."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

from app.cities.names import MAX_NAME_LENGTH, fold
from app.parameters import MAX_ID, proper_name, whole_number

DELIMITERS = ",;\t"
"""Spreadsheets write what their country is used to."""

KNOWN = ("city", "country", "country_id", "city_id")
LONGEST_LINE = 65_536
"""Bytes; whatever is longer is read in pieces, so that no file can fill the memory."""

ABOVE = re.compile(r'[\s,;"]*|"?sep=(?P<delimiter>[^"])"?', re.IGNORECASE)
"""What spreadsheets write above the header: nothing, nothing in columns, or what divides them."""

CR_ALONE = re.compile(rb"(?<=\r)(?=[^\n])")
"""The end of a line as old Macs wrote it."""

NOT_UTF_8 = re.compile("[\udc80-\udcff]")
"""What Python's `surrogateescape` puts in the place of such bytes."""


_proper = proper_name(MAX_NAME_LENGTH)


class HeaderError(ValueError):
    """The first line does not say which column is which."""


@dataclass(frozen=True, slots=True)
class Row:
    """A city as the file has it: its country by name or by id, its own id if it has one."""

    line: int
    city: str
    city_key: str
    country: str | int
    city_id: int | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that was not loaded, and why."""

    line: int
    reason: str


class RowFile:
    """A file of rows, read piece by piece; `ignored` are the columns that are not looked at."""

    def __init__(self, file: BinaryIO) -> None:
        self._line, self._ended = 0, True
        lines, header, delimiters = self._texts(file), "", DELIMITERS
        for header in lines:
            if not (above := ABOVE.fullmatch(header.rstrip("\r\n"))):
                break
            delimiters = above["delimiter"] or delimiters
        if not self._ended and len(header.encode("utf-8", "surrogateescape")) >= LONGEST_LINE:
            raise HeaderError(f"the first line is longer than {LONGEST_LINE:,} bytes")
        self._columns, delimiter = _columns(header, delimiters)
        used = {"country_id"} if "country" in self._columns else {"country"}
        self.ignored = [name for name in self._columns if name not in set(KNOWN) - used]
        self._reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=delimiter != " ")

    def _texts(self, file: BinaryIO) -> Iterator[str]:
        """Yield the lines, and count them; a mark of UTF-8 may begin any, where files were put together."""
        for line in _lines(file):
            self._line += self._ended
            self._ended = line.endswith((b"\r", b"\n"))
            yield line.decode("utf-8", "surrogateescape").lstrip("\ufeff")

    def __iter__(self) -> Iterator[Row | Refusal]:
        while True:
            line = self._line + self._ended
            try:
                fields = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Refusal(line, _broken(line, self._line, error))
                continue
            if fields:  # none in an empty line
                yield self._read(line, fields)

    def _read(self, line: int, fields: list[str]) -> Row | Refusal:
        while len(fields) > len(self._columns) and not fields[-1].strip():
            fields.pop()
        if len(fields) != len(self._columns):
            return Refusal(line, f"has {len(fields)} columns, the header has {len(self._columns)}")
        try:
            return _row(line, dict(zip(self._columns, fields, strict=True)))
        except ValueError as error:
            return Refusal(line, str(error))


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the file's lines, whatever ends them, those that are too long in pieces."""
    rest = b""
    while piece := file.readline(LONGEST_LINE):
        *whole, rest = CR_ALONE.split(rest + piece)
        yield from whole
        if rest.endswith(b"\n") or (len(rest) >= LONGEST_LINE and not rest.endswith(b"\r")):
            yield rest
            rest = b""
    if rest:
        yield rest


def _columns(header: str, delimiters: str) -> tuple[list[str], str]:
    """Return the names of the columns and which of these divides them."""
    if NOT_UTF_8.search(header) or "\0" in header:
        raise HeaderError("the file is not UTF-8 text; save it as CSV in UTF-8 (Excel: 'CSV UTF-8')")
    for delimiter in delimiters:
        names = [
            name.strip().strip('"').strip().lower()
            for name in next(csv.reader([header], delimiter=delimiter, skipinitialspace=delimiter != " "), [])
        ]
        while names and not names[-1]:
            names.pop()
        if "city" in names and not {"country", "country_id"}.isdisjoint(names):
            break
    else:
        raise HeaderError(
            "the first line must name the columns city and country (or country_id), and city_id where there are ids, "
            "divided by commas, semicolons or tabs"
        )
    if twice := [name for name in KNOWN if names.count(name) > 1]:
        raise HeaderError(f"the first line names the column {twice[0]} twice")
    return names, delimiter


def _row(line: int, values: dict[str, str]) -> Row:
    """Return the row, or raise ValueError; what the lookup would refuse to look for is refused here, too."""
    city, key = _name("city", values["city"])
    country = _country(values["country"]) if "country" in values else _id("country_id", values["country_id"])
    given = values.get("city_id", "").strip()
    return Row(line, city, key, country, _id("city_id", given) if given else None)


@lru_cache(1000)  # the same few again and again
def _country(value: str) -> str:
    return _name("country", value)[0]


def _name(column: str, value: str) -> tuple[str, str]:
    """Return the name and its folded key."""
    if NOT_UTF_8.search(value):
        raise ValueError(f"{column} is not UTF-8")
    try:
        name = _proper(value)
    except ValueError as error:
        raise ValueError(f"{column} {error}") from None
    if not (key := fold(name)):
        raise ValueError(f"{column} has no letter")  # accents alone
    return name, key


def _id(column: str, value: str) -> int:
    try:
        return whole_number(1, MAX_ID)(value.strip())
    except ValueError as error:
        raise ValueError(f"{column} {error}; allowed is a whole number from 1 to {MAX_ID}") from None


def _broken(first: int, last: int, error: csv.Error) -> str:
    """Say how far a line reaches that cannot be read: a quotation mark that nobody closes takes others along."""
    return f"cannot be read: {error}" + (f"; it opens a quotation mark and goes on to line {last}" * (last > first))
