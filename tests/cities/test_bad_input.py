import pytest
from flask.testing import FlaskClient

from tests.support.problems import assert_problem

JSON = {"Accept": "application/json"}
BAD_CITIES = {
    "city=": "is empty",
    "city=%20%20": "is empty",
    "city=%C2%A0": "is empty",
    "city=London&city=Paris": "is given 2 times",
    "city=" + "x" * 51: "has 51 characters",
    "city=a%00": "control character",
    "city=%00": "control character",
    "city=Lon%0Adon": "control character",
    "city=London%0D%0A": "control character",
    "city=%7F": "control character",
    "city=%C2%85": "control character",
    "city=%ff": "UTF-8",
    "city=%C3": "UTF-8",
    "city=%ED%A0%80": "UTF-8",
    "city=%C0%80": "UTF-8",
    "other=%ff&city=London": "UTF-8",
}
FOR_PEOPLE = {"is empty": "No name was typed", "is given 2 times": "More than one name"}
"""Words of the page, where they are others."""


@pytest.mark.parametrize("query", BAD_CITIES)
def test_bad_city_is_a_problem_that_says_what_was_wrong(client: FlaskClient, query: str) -> None:
    response = client.get(f"/?{query}", headers=JSON)

    assert_problem(response, 400, "bad-request", BAD_CITIES[query])


@pytest.mark.parametrize("query", BAD_CITIES)
def test_bad_city_is_one_sentence_for_text_clients(client: FlaskClient, query: str) -> None:
    response = client.get(f"/?{query}")

    assert response.status_code == 400
    assert response.content_type == "text/plain; charset=utf-8"
    assert len(response.text.splitlines()) == 1
    assert BAD_CITIES[query] in response.text


@pytest.mark.parametrize("query", BAD_CITIES)
def test_bad_city_is_a_page_for_browsers(client: FlaskClient, query: str) -> None:
    response = client.get(f"/?{query}", headers={"Accept": "text/html"})

    assert response.status_code == 400
    assert response.content_type == "text/html; charset=utf-8"
    assert FOR_PEOPLE.get(BAD_CITIES[query], BAD_CITIES[query]) in response.text


def test_message_names_the_parameter_and_what_is_allowed(client: FlaskClient) -> None:
    response = client.get("/?city=")

    assert response.text == (
        'The parameter "city" is empty; allowed is a name of 1 to 50 characters, without control characters.\n'
    )


def test_missing_city_is_a_problem_for_json_clients(client: FlaskClient) -> None:
    assert_problem(client.get("/", headers=JSON), 400, "bad-request", 'The parameter "city" is missing')


def test_length_counts_without_the_outer_blanks(client: FlaskClient) -> None:
    response = client.get("/", query_string={"city": "   " + "x" * 50 + "   "})

    assert response.status_code == 404


@pytest.mark.parametrize("raw", [b"city=\xff", b"city=\xc3", b"\xff"])
@pytest.mark.parametrize("path", ["/", "/api/v1/cities", "/livez", "/nowhere"])
def test_raw_bytes_that_are_not_utf8_are_refused_on_any_route(client: FlaskClient, path: str, raw: bytes) -> None:
    response = client.get(path, headers=JSON, environ_overrides={"QUERY_STRING": raw.decode("latin-1")})

    assert_problem(response, 400, "bad-request", "UTF-8")


def test_raw_bytes_that_are_utf8_are_read_as_such(client: FlaskClient) -> None:
    raw = "city=Ōmiya".encode().decode("latin-1")

    response = client.get("/", environ_overrides={"QUERY_STRING": raw})

    assert response.text.startswith('City "Ōmiya" is #')


@pytest.mark.parametrize("path", ["/%ff", "/%00", "/api/v1/cities/%ff", "/api/v1/cities/1%00", "/api/v1/%0A"])
def test_odd_paths_are_not_found(client: FlaskClient, path: str) -> None:
    assert_problem(client.get(path, headers=JSON), 404, "not-found")


@pytest.mark.parametrize("kind", ["cities", "countries"])
@pytest.mark.parametrize(
    "text", ["0", "-1", "01", "1.0", "abc", "2147483648", "9" * 30, "9" * 5000, "٣", "%2B1", "1_0", "%201", "601x"]
)
def test_ids_that_cannot_be_are_not_found(client: FlaskClient, kind: str, text: str) -> None:
    assert_problem(client.get(f"/api/v1/{kind}/{text}"), 404, "not-found")


@pytest.mark.parametrize("limit", ["0", "101", "-1", "", "ten", "1.5", "1e1", "%D9%A3", "1_0", "+5", "9" * 5000])
def test_bad_limit_is_refused(client: FlaskClient, limit: str) -> None:
    response = client.get(f"/api/v1/cities?limit={limit}")

    assert_problem(response, 400, "bad-request", 'The parameter "limit" is "')
    assert response.get_json()["detail"].endswith("allowed is a whole number from 1 to 100.")


@pytest.mark.parametrize("country_id", ["0", "x", "", "2147483648"])
def test_bad_country_id_is_refused(client: FlaskClient, country_id: str) -> None:
    response = client.get(f"/api/v1/cities?country_id={country_id}")

    assert_problem(response, 400, "bad-request", '"country_id"')


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
@pytest.mark.parametrize("path", ["cities", "countries", "countries/20/cities"])
def test_cursor_that_we_did_not_make_is_refused(client: FlaskClient, path: str, cursor: str) -> None:
    assert_problem(
        client.get(f"/api/v1/{path}?cursor={cursor}"), 400, "bad-request", 'The parameter "cursor" was not made'
    )


@pytest.mark.parametrize("name", ["name", "prefix"])
def test_filters_are_checked_like_the_name_of_the_lookup(client: FlaskClient, name: str) -> None:
    assert_problem(client.get(f"/api/v1/cities?{name}="), 400, "bad-request", f'"{name}" is empty')
    assert_problem(client.get(f"/api/v1/cities?{name}=a&{name}=b"), 400, "bad-request", f'"{name}" is given 2 times')


def test_long_query_is_no_fault(client: FlaskClient) -> None:
    assert client.get("/?city=" + "x" * 100_000).status_code == 400
    assert client.get("/?city=London&" + "&".join(f"a{n}=1" for n in range(5000))).status_code == 200
