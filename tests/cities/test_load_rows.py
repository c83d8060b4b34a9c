"""What a CSV of one's own says: every line is a row or a refusal, whatever somebody's spreadsheet wrote."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import pytest

from app.cities.commands.rows import LONGEST_LINE, HeaderError, Refusal, Row, RowFile


def read(text: str | bytes) -> list[Row | Refusal]:
    return list(RowFile(io.BytesIO(text.encode() if isinstance(text, str) else text)))


def good(rows: Iterable[Row | Refusal]) -> list[Row]:
    """Return the rows, of which none may be a refusal."""
    found = []
    for row in rows:
        assert isinstance(row, Row), row
        found.append(row)
    return found


def refused(line: str) -> str:
    """Return why this line is refused, between two good ones that are not."""
    before, refusal, after = read(f"city,country,city_id\nLima,Peru,1\n{line}\nCusco,Peru,2\n")
    assert (before.line, refusal.line, after.line) == (2, 3, 4)
    assert isinstance(before, Row)
    assert isinstance(after, Row)
    assert isinstance(refusal, Refusal)
    return refusal.reason


def test_columns_are_found_by_name_in_any_order_and_case() -> None:
    assert read("Country , CITY\nPeru,  Lima \n") == [Row(2, "Lima", "lima", "Peru", None)]


def test_country_may_be_an_id_and_a_city_may_have_one() -> None:
    assert read("city_id,city,country_id\n7,Lima,74\n,Cusco,74\n") == [
        Row(2, "Lima", "lima", 74, 7),
        Row(3, "Cusco", "cusco", 74, None),
    ]


def test_country_goes_before_country_id_and_other_columns_are_named() -> None:
    rows = RowFile(io.BytesIO(b"city,country,country_id,people\nLima,Peru,1,9\n"))

    assert [row.country for row in good(rows)] == ["Peru"]
    assert rows.ignored == ["country_id", "people"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_spreadsheets_of_all_countries_are_read(delimiter: str) -> None:
    text = f'\ufeff"city"{delimiter}country\r\n"Lima ""la Gris"", Centro; Sur"{delimiter}Peru\r\n'

    assert read(text) == [Row(2, 'Lima "la Gris", Centro; Sur', 'lima "la gris", centro; sur', "Peru", None)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_on_any_system(end: str) -> None:
    text = end.join(["city,country", "Lima,Peru", "", "Malmö,Sweden", "x,", "Cusco,Peru", ""])

    assert [(row.line, type(row)) for row in read(text)] == [(2, Row), (4, Row), (5, Refusal), (6, Row)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_file_of_many_pieces_is_read_line_by_line(end: str) -> None:
    lines = ["city,country", *(f"São {number},Perú" for number in range(20_000))]

    rows = read(end.join(lines))

    assert [row.line for row in rows] == list(range(2, 20_002))
    assert {row.country for row in good(rows)} == {"Perú"}


def test_a_break_within_quotation_marks_is_refused_and_counted() -> None:
    rows = read('city,country\r"Li\rma",Peru\rCusco,Peru\r')

    assert [(row.line, type(row)) for row in rows] == [(2, Refusal), (4, Row)]


@pytest.mark.parametrize(
    ("above", "first"),
    [
        ("\n\n", 4),
        (";;\r\n", 3),
        ("sep=;\r\n", 3),
        ('"sep=;"\r\n', 3),
        ("\ufeffsep=;\n\n", 4),
        ("\ufeff\ufeff", 2),
        ("\ufeff\n\ufeff", 3),
    ],
)
def test_what_programs_write_above_the_header_is_passed_over_and_counted(above: str, first: int) -> None:
    taken, bad = read(f"{above}city;country\nLima;Peru\n;Peru\n")

    assert isinstance(taken, Row)
    assert (taken.line, taken.city) == (first, "Lima")
    assert bad == Refusal(first + 1, "city is empty")


def test_the_delimiter_may_be_named() -> None:
    assert good(read("sep=|\ncity|country\nLima, Centro|Peru\n"))[0].city == "Lima, Centro"
    assert good(read("sep=\t\r\ncity\tcountry\r\nLima, Centro\tPeru\r\n"))[0].city == "Lima, Centro"


def test_names_of_columns_may_be_quoted_and_hold_a_delimiter() -> None:
    rows = RowFile(io.BytesIO(b'"people, in all", "City" ,"country"\n9,Lima,Peru\n'))

    assert [row.city for row in good(rows)] == ["Lima"]
    assert rows.ignored == ["people, in all"]


@pytest.mark.parametrize("header", ["city,country", "city,country,", "city,country,,"])
def test_delimiters_at_the_end_of_a_line_are_no_columns(header: str) -> None:
    rows = RowFile(io.BytesIO(f"{header}\nLima,Peru\nCusco,Peru,\nIca,Peru,,\n".encode()))

    assert [row.city for row in good(rows)] == ["Lima", "Cusco", "Ica"]
    assert rows.ignored == []


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("", "must name the columns"),
        ("Lima,Peru", "must name the columns"),
        ("city,city_id", "must name the columns"),
        ("city|country", "must name the columns"),
        ("city,country,city", "city twice"),
    ],
)
def test_file_without_a_usable_header_is_refused_as_a_whole(header: str, said: str) -> None:
    with pytest.raises(HeaderError, match=said):
        read(header)


@pytest.mark.parametrize("coding", ["utf-16", "latin-1"])
def test_header_in_another_coding_is_told_how_to_save_it(coding: str) -> None:
    with pytest.raises(HeaderError, match="UTF-8"):
        read("city,country,ståt\n".encode(coding))


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
def test_bad_line_is_refused_with_its_number_and_the_reason(line: str, reason: str) -> None:
    assert refused(line) == reason


def test_line_in_another_coding_is_refused_alone() -> None:
    first, bad, last = read(b"city,country\nLima,Peru\nMalm\xf6,Sweden\nCusco,Peru\n")

    assert bad == Refusal(3, "city is not UTF-8")
    assert [row.city for row in good([first, last])] == ["Lima", "Cusco"]


def test_quotation_mark_that_is_never_closed_says_how_far_it_reached() -> None:
    *_, last = read('city,country\nLima,Peru\n"Cusco,Peru\nIca,Peru\n')

    assert isinstance(last, Refusal)
    assert last.line == 3
    assert "opens a quotation mark and goes on to line 4" in last.reason


def test_empty_lines_are_passed_over_and_counted() -> None:
    assert [row.line for row in read("city,country\n\nLima,Peru\n\n\nCusco,Peru\n")] == [3, 6]


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

    rows = read(f"city,country{end}{long}Cusco,Peru{end}")

    assert {row.line for row in rows[:-1]} == {2}
    assert rows[-1] == Row(3, "Cusco", "cusco", "Peru", None)


def test_a_first_line_that_is_too_long_is_refused_for_that() -> None:
    with pytest.raises(HeaderError, match="longer than 65,536 bytes"):
        read("city,country," + "x," * LONGEST_LINE + "\nLima,Peru\n")


def test_files_put_together_may_each_begin_with_a_mark() -> None:
    assert read("\ufeffcity,country\nLima,Peru\n\ufeffCusco,Peru\n")[1] == Row(3, "Cusco", "cusco", "Peru", None)


@pytest.mark.parametrize("text", ['city, country\nLima, "Peru"\n', 'sep= \ncity country\nLima "Peru"\n'])
def test_a_blank_before_a_quotation_mark_is_no_part_of_the_name(text: str) -> None:
    assert [(row.city, row.country) for row in good(read(text))] == [("Lima", "Peru")]
