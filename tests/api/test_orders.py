"""POST /pool/drain and /pool/resize: who may, from where, what is refused, and what becomes of the pools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.extensions import db
from app.operations import files
from app.operations.orders import read_orders
from app.operations.reports import Report
from serving import run_directory
from testkit.databases import Database, new_database
from tests.conftest import dispose, obtain_or_skip
from tests.support.pools import steady
from tests.support.problems import assert_problem
from tests.support.tampering import max_connections

TOKEN = "a-token-for-operators-0123456789"
ASKED = {"Accept": "application/json", "Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def app(make_app: Callable[..., Flask], tmp_path: Path) -> Iterator[Flask]:
    file = tmp_path / "some.sqlite3"
    file.touch()
    made = make_app(DATABASE_URL=f"sqlite:///{file}", OPS_TOKEN=TOKEN)
    yield made
    dispose(made)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def sizes(app: Flask, name: str = "reader") -> tuple[int, int]:
    """Return what a pool keeps, and what it may have open."""
    with app.app_context():
        pool = steady(db.engines["reader"] if name == "reader" else db.engine)
        return pool.size(), pool.snapshot()["size"]


def closed(app: Flask) -> dict[str, int]:
    with app.app_context():
        return dict(steady(db.engines["reader"]).snapshot()["closed"])


def use(app: Flask) -> None:
    with app.app_context():
        db.engines["reader"].connect().close()


def test_an_order_to_drain_has_connections_replaced(app: Flask, client: FlaskClient) -> None:
    use(app)

    answer = client.post("/pool/drain", headers=ASKED)

    assert (answer.status_code, answer.get_json()["order"], answer.get_json()["warnings"]) == (202, "drain", [])
    assert closed(app) == {"drained": 1}


@pytest.mark.parametrize(
    ("pool", "form", "becomes"),
    [
        ("reader", {"size": "3", "max_overflow": "2"}, (3, 5)),
        ("reader", {"size": "12"}, (12, 12)),
        ("writer", {"size": " 1 "}, (1, 1)),
    ],
)
def test_an_order_to_resize(
    app: Flask, client: FlaskClient, pool: str, form: dict[str, str], becomes: tuple[int, int]
) -> None:
    answer = client.post("/pool/resize", data={"pool": pool, **form}, headers=ASKED)

    assert answer.status_code == 202
    assert sizes(app, pool) == becomes


def test_a_text_client_reads_a_sentence_and_a_browser_is_led_back(client: FlaskClient) -> None:
    told = client.post("/pool/drain", headers=ASKED | {"Accept": "text/plain"})
    led = client.post("/pool/drain", headers=ASKED | {"Accept": "text/html"})

    assert told.text == "Ordered: drain. All workers obey within two seconds.\n"
    assert (led.status_code, led.headers["Location"]) == (303, "/pool")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"size": "3"}, "There is no pool ''"),
        ({"pool": "migration", "size": "3"}, "There is no pool 'migration'"),
        ({"pool": "reader"}, "size must be a whole number"),
        ({"pool": "reader", "size": "-1"}, "size must be a whole number"),
        ({"pool": "reader", "size": "²"}, "size must be a whole number"),
        ({"pool": "reader", "size": "3.5"}, "size must be a whole number"),
        ({"pool": "reader", "size": "9" * 400}, "size must be a whole number"),
        ({"pool": "reader", "size": "0"}, "A size is from 1 to 1000"),
        ({"pool": "reader", "size": "1001"}, "A size is from 1 to 1000"),
        ({"pool": "reader", "size": "3", "max_overflow": "x"}, "max_overflow must be a whole number"),
        ({"pool": "reader", "size": "3", "max_overflow": "1001"}, "an overflow from 0 to 1000"),
    ],
)
def test_what_makes_no_sense_is_refused(app: Flask, client: FlaskClient, form: dict[str, str], said: str) -> None:
    answer = client.post("/pool/resize", data=form, headers=ASKED)

    assert_problem(answer, 400, "bad-request")
    assert said in answer.text
    assert sizes(app) == (8, 8)


def test_a_pool_that_keeps_none_has_no_size(make_app: Callable[..., Flask]) -> None:
    app = make_app(OPS_TOKEN=TOKEN, POOL_STRATEGY="request")

    answer = app.test_client().post("/pool/resize", data={"pool": "reader", "size": "3"}, headers=ASKED)

    assert_problem(answer, 400, "bad-request")


def test_who_takes_no_answer_has_ordered_nothing(app: Flask, client: FlaskClient) -> None:
    use(app)

    assert client.post("/pool/drain", headers=ASKED | {"Accept": "image/png"}).status_code == 406

    assert closed(app) == {}


@pytest.mark.parametrize("address", ["/pool/drain", "/pool/resize"])
class TestWhoMay:
    def test_nobody_without_the_token(self, app: Flask, client: FlaskClient, address: str) -> None:
        use(app)

        assert_problem(client.post(address, headers={"Accept": "application/json"}), 401, "unauthorized")
        wrong = {"Accept": "application/json", "Authorization": "Bearer x"}
        assert_problem(client.post(address, headers=wrong), 401, "unauthorized")

        assert closed(app) == {}

    def test_nobody_in_production_where_no_token_is_set(self, make_app: Callable[..., Flask], address: str) -> None:
        client = make_app(ENVIRONMENT="production").test_client()

        assert_problem(client.post(address, headers=ASKED), 403, "forbidden")

    def test_no_one_by_looking(self, client: FlaskClient, address: str) -> None:
        assert_problem(client.get(address, headers=ASKED), 405, "method-not-allowed")

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
            {"Origin": "https://evil.example"},
            {"Origin": "http://localhost:8001"},
            {"Origin": "null"},
        ],
    )
    def test_no_page_of_another_site_though_the_browser_sends_the_password(
        self, app: Flask, client: FlaskClient, address: str, headers: dict[str, str]
    ) -> None:
        use(app)

        answer = client.post(address, headers={**ASKED, **headers})

        assert_problem(answer, 403, "forbidden")
        assert closed(app) == {}


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://pool.example"},  # a proxy in front calls us otherwise
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost"},
    ],
)
def test_our_own_page_may(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.post("/pool/drain", headers=ASKED | headers).status_code == 202


def test_without_a_token_this_machine_may_and_no_page_that_is_open_on_it(make_app: Callable[..., Flask]) -> None:
    client = make_app().test_client()

    assert client.post("/pool/drain").status_code == 202
    assert client.post("/pool/drain", headers={"Origin": "https://evil.example"}).status_code == 403


@pytest.fixture(scope="module", params=["mariadb"])
def limited(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database on a server whose limits can be changed."""
    with new_database(obtain_or_skip(request.config, request.param)) as made:
        yield made


class TestRoom:
    @pytest.fixture
    def ask(self, make_app: Callable[..., Flask], limited: Database) -> Iterator[Callable[..., Any]]:
        """Return the answer to an order where 40 connections are allowed, and the reader's size after it."""
        made: list[Flask] = []

        def order(size: int, pool: str = "reader", **environ: str) -> Any:
            if not made:
                made.append(make_app(DATABASE_URL=limited.url, OPS_TOKEN=TOKEN, **environ))
            answer = made[0].test_client().post("/pool/resize", data={"pool": pool, "size": size}, headers=ASKED)
            return answer, sizes(made[0])

        with max_connections(limited, 40):
            yield order
        for app in made:
            dispose(app)

    def test_what_does_not_fit_is_refused_where_that_is_wanted(self, ask: Callable[..., Any]) -> None:
        answer, after = ask(16, POOL_BUDGET="refuse")

        assert_problem(answer, 409, "conflict")
        assert "x (reader size 16 + WRITER_POOL_SIZE 2) x 2 during a reload + 5 in reserve = 41" in answer.text
        assert "lower WORKERS, reader size or WRITER_POOL_SIZE, or raise max_connections by 1" in answer.text
        assert after == (8, 8)
        assert ask(15)[1] == (15, 15)

    def test_to_get_smaller_is_never_refused(self, ask: Callable[..., Any]) -> None:
        answer, after = ask(29, POOL_SIZE="30", POOL_BUDGET="refuse")

        assert (answer.status_code, after) == (202, (29, 29))
        assert "raise max_connections by" in answer.get_json()["warnings"][0]

    def test_otherwise_it_is_told(self, ask: Callable[..., Any]) -> None:
        answer, after = ask(20)

        assert (answer.status_code, after) == (202, (20, 20))
        assert "reader size 20" in answer.get_json()["warnings"][0]

    def test_a_server_that_does_not_answer_is_no_reason_to_refuse(self, make_app: Callable[..., Flask]) -> None:
        app = make_app(DATABASE_URL="mysql://u@127.0.0.1:1/d", OPS_TOKEN=TOKEN, POOL_BUDGET="refuse")

        answer = app.test_client().post("/pool/resize", data={"pool": "reader", "size": "99"}, headers=ASKED)

        assert (answer.status_code, sizes(app)) == (202, (99, 99))
        dispose(app)


class TestCommands:
    """At a server of which there are only the reports; tests/serve has a whole one."""

    @pytest.fixture
    def directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv(run_directory.VARIABLE, str(tmp_path / "run"))
        monkeypatch.setattr("app.commands.orders.BOUND_SECONDS", 0.2)
        (tmp_path / "run").mkdir()
        return tmp_path / "run"

    def report(self, directory: Path, worker: int, **said: Any) -> None:
        heard = {"at": monotonic(), **said}
        files.replace(directory / f"worker-{worker}.json", vars(Report(worker, 1, monotonic(), **heard)), "report")

    def run(self, app: Flask, *words: str) -> tuple[int, str]:
        done = app.test_cli_runner().invoke(args=list(words))
        return done.exit_code, done.output

    def test_a_worker_that_does_not_look_is_named(self, app: Flask, directory: Path) -> None:
        self.report(directory, 1)
        self.report(directory, 2)
        self.report(directory, 3, ended=True)

        said = self.run(app, "drain")

        assert said == (1, "Error: no word of worker 1, 2 after 0.2 s; the order stands\n")
        assert [order.name for order in read_orders(directory)] == ["drain"]

    def test_a_server_that_has_ended_is_told_nothing(self, app: Flask, directory: Path) -> None:
        self.report(directory, 1, ended=True)

        code, said = self.run(app, "resize", "reader", "3")

        assert (code, read_orders(directory)) == (1, [])
        assert "no server with PORT=8000 runs here" in said

    def test_where_none_was_ever_started_as_well(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(run_directory.VARIABLE, raising=False)
        monkeypatch.setattr("serving.run_directory.PARENTS", ())

        assert "no server with PORT=8000 runs here" in self.run(app, "drain")[1]

    def test_a_folder_that_may_not_be_written_is_said(self, app: Flask, directory: Path) -> None:
        self.report(directory, 1)
        (directory / "order-drain.json").mkdir()

        code, said = self.run(app, "drain")

        assert code == 1
        assert said.endswith("; give orders as the user of the server\n")

    @pytest.mark.parametrize("size", ["x", "3+", "+3", "-1", "3+x", "3.5", "123456"])
    def test_what_is_no_size_is_said(self, app: Flask, size: str) -> None:
        code, said = self.run(app, "resize", "reader", "--", size)

        assert code == 2
        assert "is no SIZE+OVERFLOW such as 12 or 8+4" in said

    def test_what_no_pool_can_have_is_refused(self, app: Flask, directory: Path) -> None:
        self.report(directory, 1)

        assert self.run(app, "resize", "reader", "0") == (
            1,
            "Error: A size is from 1 to 1000, an overflow from 0 to 1000.\n",
        )

    def test_what_does_not_fit_is_told_and_done(
        self, make_app: Callable[..., Flask], limited: Database, directory: Path
    ) -> None:
        app = make_app(DATABASE_URL=limited.url)
        self.report(directory, 1)
        self.report(directory, 2, at=monotonic() - 60)  # it will obey when it comes to it
        self.report(directory, 3, ended=True)
        with max_connections(limited, 40):
            _, said = self.run(app, "resize", "reader", "20+1")
        dispose(app)

        assert "More than fits: " in said
        assert "WORKERS 2 x " in said
        assert "reader size 20 + reader overflow 1 + WRITER_POOL_SIZE 2" in said
        [order] = read_orders(directory)
        assert (order.size, order.max_overflow) == (20, 1)
