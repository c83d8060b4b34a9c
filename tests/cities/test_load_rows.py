"""What a CSV of one's own says: every line is a row or a refusal, whatever somebody's spreadsheet wrote."""

from __future__ import annotations

import io
from typing import Any

import pytest

from app.cities.commands.rows import LONGEST_LINE, HeaderError, Refusal, Row, RowFile

ENDS = ("", ",", ",,")
LIMA, CUSCO, ICA = ("Lima", "Peru", None), ("Cusco", "Peru", None), ("Ica", "Peru", None)


def rows_of(text: str | bytes) -> RowFile:
    return RowFile(io.BytesIO(text.encode() if isinstance(text, str) else text))


def read(text: str | bytes) -> list[tuple[Any, ...]]:
    """Return what each line says, behind its number: city, country and id, or why it is refused."""
    return [
        (row.line, row.reason) if isinstance(row, Refusal) else (row.line, row.city, row.country, row.city_id)
        for row in rows_of(text)
    ]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("Country , CITY\nPeru,  Lima \n", [(2, *LIMA)]),
        ("city_id,city,country_id\n7,Lima,74\n,Cusco,74\n", [(2, "Lima", 74, 7), (3, "Cusco", 74, None)]),
        # What programs write above the header is passed over and counted.
        ("\n\ncity;country\nLima;Peru\n;Peru\n", [(4, *LIMA), (5, "city is empty")]),
        (";;\r\ncity;country\nLima;Peru\n", [(3, *LIMA)]),
        ("sep=;\r\ncity;country\nLima;Peru\n", [(3, *LIMA)]),
        ('"sep=;"\r\ncity;country\nLima;Peru\n', [(3, *LIMA)]),
        ("\ufeffsep=;\n\ncity;country\nLima;Peru\n", [(4, *LIMA)]),
        ("\ufeff\ufeffcity;country\nLima;Peru\n", [(2, *LIMA)]),
        ("\ufeff\n\ufeffcity;country\nLima;Peru\n", [(3, *LIMA)]),
        # The delimiter may be named.
        ("sep=|\ncity|country\nLima, Centro|Peru\n", [(3, "Lima, Centro", "Peru", None)]),
        ("sep=\t\r\ncity\tcountry\r\nLima, Centro\tPeru\r\n", [(3, "Lima, Centro", "Peru", None)]),
        # A blank before a quotation mark is no part of the name.
        ('city, country\nLima, "Peru"\n', [(2, *LIMA)]),
        ('sep= \ncity country\nLima "Peru"\n', [(3, *LIMA)]),
        # What does not go well is counted.
        ("city,country\n\nLima,Peru\n\n\nCusco,Peru\n", [(3, *LIMA), (6, *CUSCO)]),
        ("\ufeffcity,country\nLima,Peru\n\ufeffCusco,Peru\n", [(2, *LIMA), (3, *CUSCO)]),
        (
            'city,country\r"Li\rma",Peru\rCusco,Peru\r',
            [(2, "city has U+000D <control>, which a name cannot have there"), (4, *CUSCO)],
        ),
        (b"city,country\nMalm\xf6,Sweden\nCusco,Peru\n", [(2, "city is not UTF-8"), (3, *CUSCO)]),
    ],
)
def test_what_spreadsheets_write_is_read(text: str | bytes, rows: list[tuple[Any, ...]]) -> None:
    assert read(text) == rows


def test_a_row_has_the_key_that_the_lookup_folds_the_name_to() -> None:
    assert list(rows_of("city,country\nSão Leopoldo,Brazil\n")) == [
        Row(2, "São Leopoldo", "sao leopoldo", "Brazil", None)
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_spreadsheets_of_all_countries_are_read(delimiter: str) -> None:
    text = f'\ufeff"city"{delimiter}country\r\n"Lima ""la Gris"", Centro; Sur"{delimiter}Peru\r\n'

    assert read(text) == [(2, 'Lima "la Gris", Centro; Sur', "Peru", None)]


@pytest.mark.parametrize(
    ("text", "ignored", "rows"),
    [
        ("city,country,country_id,people\nLima,Peru,1,9\n", ["country_id", "people"], [LIMA]),
        ('"people, in all", "City" ,"country"\n9,Lima,Peru\n', ["people, in all"], [LIMA]),
        # Delimiters at the end of a line are no columns.
        *(
            (f"city,country{end}\nLima,Peru\nCusco,Peru,\nIca,Peru,,\n", [], [LIMA, CUSCO, ICA])
            for end in ("", ",", ",,")
        ),
    ],
)
def test_columns_that_are_not_looked_at_are_named(text: str, ignored: list[str], rows: list[tuple[Any, ...]]) -> None:
    assert rows_of(text).ignored == ignored
    assert [row for _, *row in read(text)] == [list(row) for row in rows]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_on_any_system(end: str) -> None:
    text = end.join(["city,country", "Lima,Peru", "", "Cusco,Peru", "x,", "Ica,Peru", ""])

    assert read(text) == [(2, *LIMA), (4, *CUSCO), (5, "country is empty"), (6, *ICA)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_file_of_many_pieces_is_read_line_by_line(end: str) -> None:
    lines = ["city,country", *(f"São {number},Perú" for number in range(20_000))]

    assert read(end.join(lines)) == [(number + 2, f"São {number}", "Perú", None) for number in range(20_000)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must name the columns"),
        ("Lima,Peru", "must name the columns"),
        ("city,city_id", "must name the columns"),
        ("city|country", "must name the columns"),
        ("city,country,city", "city twice"),
        ("city,country,ståt\n".encode("utf-16"), "UTF-8"),
        ("city,country,ståt\n".encode("latin-1"), "UTF-8"),
        ("city,country," + "x," * LONGEST_LINE + "\nLima,Peru\n", "longer than 65,536 bytes"),
    ],
)
def test_file_without_a_usable_header_is_refused_as_a_whole(text: str | bytes, said: str) -> None:
    with pytest.raises(HeaderError, match=said):
        rows_of(text)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",Peru,", "city is empty"),
        ("  ,Peru,", "city is empty"),
        ("Lima,,", "country is empty"),
        ("Li\x07ma,Peru,", "city has U+0007 <control>, which a name cannot have there"),
        (f"{'x' * 51},Peru,", "city has 51 characters"),
        (f"Lima,{'x' * 51},", "country has 51 characters"),
        ("\u0301,Peru,", "city has no letter"),
        ("Lima,\u0301,", "country has no letter"),
        ("Lima,Peru", "has 2 columns, the header has 3"),
        ("Lima,Peru,1,2", "has 4 columns, the header has 3"),
        ("Lima,Peru,x", 'city_id is "x"; allowed is a whole number from 1 to 2147483647'),
        ("Lima,Peru,2147483648", 'city_id is "2147483648"; allowed is a whole number from 1 to 2147483647'),
        ('"Lima"x,Peru,', "cannot be read: ',' expected after '\"'"),
    ],
)
def test_bad_line_is_refused_alone_with_its_number_and_the_reason(line: str, reason: str) -> None:
    text = f"city,country,city_id\nLima,Peru,1\n{line}\nCusco,Peru,2\n"

    assert read(text) == [(2, "Lima", "Peru", 1), (3, reason), (4, "Cusco", "Peru", 2)]


def test_quotation_mark_that_is_never_closed_says_how_far_it_reached() -> None:
    *_, (line, reason) = read('city,country\nLima,Peru\n"Cusco,Peru\nIca,Peru\n')

    assert line == 3
    assert "opens a quotation mark and goes on to line 4" in reason


def test_line_without_an_end_never_fills_the_memory() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            data = b"city,country\n" if not self.given else b"x" * min(len(buffer), 8192)
            buffer[: len(data)] = data
            self.given += len(data)
            return len(data)

    endless = Endless()

    first = next(iter(RowFile(io.BufferedReader(endless))))

    assert isinstance(first, Refusal)
    assert endless.given < 4 * LONGEST_LINE


@pytest.mark.parametrize("length", [LONGEST_LINE - 1, LONGEST_LINE, LONGEST_LINE + 1])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_long_line_counts_as_one(length: int, end: str) -> None:
    long = f"Lima,{'x' * (length - len('Lima,') - len(end))}{end}"

    *rows, last = read(f"city,country{end}{long}Cusco,Peru{end}")

    assert {row[0] for row in rows} == {2}
    assert last == (3, *CUSCO)
