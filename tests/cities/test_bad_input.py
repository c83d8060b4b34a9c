"""What is refused, and how: a bad name in each representation, bad ids, limits and cursors."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.support.kinds import on_one_server
from tests.support.problems import assert_problem

pytestmark = on_one_server

JSON, HTML = {"Accept": "application/json"}, {"Accept": "text/html"}
EMPTY, TWICE, LONG, CONTROL = "is empty", "is given 2 times", "has 51 characters", "control character"
BAD_CITIES = {
    "city=": EMPTY,
    "city=%20%20": EMPTY,
    "city=%C2%A0": EMPTY,
    "city=London&city=Paris": TWICE,
    "city=" + "x" * 51: LONG,
    "city=a%00": CONTROL,
    "city=%00": CONTROL,
    "city=Lon%0Adon": CONTROL,
    "city=London%0D%0A": CONTROL,
    "city=%7F": CONTROL,
    "city=%C2%85": CONTROL,
    "city=%ff": "UTF-8",
    "city=%C3": "UTF-8",
    "city=%ED%A0%80": "UTF-8",
    "city=%C0%80": "UTF-8",
    "other=%ff&city=London": "UTF-8",
}
FOR_PEOPLE = {
    EMPTY: ("No name was typed", "Type the name of a city."),
    TWICE: ("More than one name", "Look them up one at a time."),
    LONG: ("This name is too long", "It has 51 characters; a name has 50 at most."),
    CONTROL: ("This name cannot be looked up", "It contains a control character, such as a line break."),
}


@pytest.mark.parametrize(("query", "wrong"), BAD_CITIES.items())
def test_bad_city_is_refused_in_the_words_of_programs_or_of_people(client: FlaskClient, query: str, wrong: str) -> None:
    problem, line, page = (client.get(f"/?{query}", headers=headers) for headers in (JSON, {}, HTML))

    assert_problem(problem, 400, "bad-request", wrong)
    assert (line.status_code, line.content_type) == (400, "text/plain; charset=utf-8")
    assert line.text == problem.get_json()["detail"] + "\n"
    assert (page.status_code, page.content_type) == (400, "text/html; charset=utf-8")
    if wrong == "UTF-8":
        assert wrong in page.text
    else:
        heading, sentence = FOR_PEOPLE[wrong]
        assert f"<h1>{heading}</h1>" in page.text
        assert sentence in page.text
        assert "parameter" not in page.text
        assert 'The parameter "city" ' in line.text


def test_missing_city_is_a_problem_for_json_clients(client: FlaskClient) -> None:
    assert_problem(client.get("/", headers=JSON), 400, "bad-request", 'The parameter "city" is missing')


def test_length_counts_without_the_outer_blanks(client: FlaskClient) -> None:
    assert client.get("/", query_string={"city": "   " + "x" * 50 + "   "}).status_code == 404


@pytest.mark.parametrize("path", ["/", "/api/v1/cities", "/livez", "/nowhere"])
def test_raw_bytes_that_are_not_utf8_are_refused_on_any_route(client: FlaskClient, path: str) -> None:
    for raw in ("city=\xff", "city=\xc3", "\xff"):
        response = client.get(path, headers=JSON, environ_overrides={"QUERY_STRING": raw})

        assert_problem(response, 400, "bad-request", "UTF-8")


def test_raw_bytes_that_are_utf8_are_read_as_such(client: FlaskClient) -> None:
    raw = "city=Ōmiya".encode().decode("latin-1")

    assert client.get("/", environ_overrides={"QUERY_STRING": raw}).text.startswith('City "Ōmiya" is #')


@pytest.mark.parametrize("path", ["/%ff", "/%00", "/api/v1/cities/%ff", "/api/v1/cities/1%00", "/api/v1/%0A"])
def test_odd_paths_are_not_found(client: FlaskClient, path: str) -> None:
    assert_problem(client.get(path, headers=JSON), 404, "not-found")


@pytest.mark.parametrize("kind", ["cities", "countries"])
@pytest.mark.parametrize(
    "text", ["0", "-1", "01", "1.0", "abc", "2147483648", "9" * 30, "9" * 5000, "٣", "%2B1", "1_0", "%201", "601x"]
)
def test_ids_that_cannot_be_are_not_found(client: FlaskClient, kind: str, text: str) -> None:
    assert_problem(client.get(f"/api/v1/{kind}/{text}"), 404, "not-found")


@pytest.mark.parametrize(
    ("name", "most", "values"),
    [
        ("limit", 100, ["0", "101", "-1", "", "ten", "1.5", "1e1", "%D9%A3", "1_0", "+5", "9" * 5000]),
        ("country_id", 2_147_483_647, ["0", "x", "", "2147483648"]),
    ],
)
def test_a_number_that_is_none_is_refused(client: FlaskClient, name: str, most: int, values: list[str]) -> None:
    for value in values:
        response = client.get(f"/api/v1/cities?{name}={value}")

        assert_problem(response, 400, "bad-request", f'The parameter "{name}" is "')
        assert response.get_json()["detail"].endswith(f"allowed is a whole number from 1 to {most}.")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "!!!!",
        "WyJhIiwxXQ==",  # ["a",1] as somebody else would write it
        "WyJhIiwgMV0",  # ["a", 1]
        "WyJhIiwwXQ",  # ["a",0]
        "WyJhIix0cnVlXQ",  # ["a",true]
        "WyJhIiwiMSJd",  # ["a","1"]
        "WyJcdWQ4MDAiLDFd",  # a lone surrogate
        "WyJcdTAwMDAiLDFd",  # NUL
        "WyJhIiwyMTQ3NDgzNjQ4XQ",  # ["a",2147483648]
        "WzEsMV0",  # [1,1]
        "W10",
        "e30",
        "MQ",
        "W1tbW1tbW1tb" * 500,
        "ž",
        "%20",
    ],
)
def test_cursor_that_we_did_not_make_is_refused(client: FlaskClient, cursor: str) -> None:
    for path in ("cities", "countries", "countries/20/cities"):
        response = client.get(f"/api/v1/{path}?cursor={cursor}")

        assert_problem(response, 400, "bad-request", 'The parameter "cursor" was not made')


@pytest.mark.parametrize("name", ["name", "prefix"])
def test_filters_are_checked_like_the_name_of_the_lookup(client: FlaskClient, name: str) -> None:
    assert_problem(client.get(f"/api/v1/cities?{name}="), 400, "bad-request", f'"{name}" is empty')
    assert_problem(client.get(f"/api/v1/cities?{name}=a&{name}=b"), 400, "bad-request", f'"{name}" is given 2 times')


def test_long_query_is_no_fault(client: FlaskClient) -> None:
    assert client.get("/?city=" + "x" * 100_000).status_code == 400
    assert client.get("/?city=London&" + "&".join(f"a{n}=1" for n in range(5000))).status_code == 200
