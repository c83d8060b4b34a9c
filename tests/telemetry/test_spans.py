"""One request is one trace: its span, and below it those of acquiring, connecting and asking."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from app.extensions import db
from tests.support.asking import A_ROW, LOOKUP, PATH
from tests.support.pools import steady
from tests.telemetry.conftest import Watched

ON_SQLITE, ON_SERVERS = (
    pytest.mark.parametrize("server", names, indirect=True)
    for names in (["sqlite"], ["mariadb", "mysql", "postgresql"])
)
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{CALLER}-01"}


def statement_in(spans: dict[str, ReadableSpan]) -> ReadableSpan:
    [found] = [span for name, span in spans.items() if name.startswith("SELECT")]
    return found


def parent(span: ReadableSpan) -> int:
    assert span.parent
    return int(span.parent.span_id)


def said(span: ReadableSpan, name: str) -> object:
    return dict(span.attributes or {})[name]


def own(span: ReadableSpan) -> int:
    assert span.context
    return int(span.context.span_id)


@ON_SQLITE
def test_a_request_continues_the_trace_of_who_asks(watched: Watched) -> None:
    app, seen = watched()

    app.test_client().get(LOOKUP, headers=TRACEPARENT)

    spans = seen.finished()
    request, acquire, connect, statement = (
        *(spans[name] for name in (f"GET {PATH}", "acquire", "connect")),
        statement_in(spans),
    )
    assert f"{parent(request):x}" == CALLER
    assert parent(acquire) == parent(statement) == own(request)
    assert parent(connect) == own(acquire)
    assert {f"{span.context.trace_id:032x}" for span in spans.values() if span.context} == {TRACE}
    assert said(request, "http.route") == PATH
    assert said(acquire, "db.client.connection.pool.name") == "reader"
    assert "Anna" not in str(said(statement, "db.query.text"))


@ON_SQLITE
def test_a_kept_connection_is_acquired_and_not_made(watched: Watched) -> None:
    app, seen = watched()
    client = app.test_client()
    client.get(LOOKUP)
    seen.finished()

    client.get(LOOKUP)

    spans = seen.finished()
    assert {"acquire", f"GET {PATH}"} <= set(spans)
    assert "connect" not in spans


@ON_SQLITE
def test_it_goes_on_behind_a_pool_that_was_disposed_of(watched: Watched) -> None:
    app, seen = watched()
    client = app.test_client()
    client.get(LOOKUP)
    seen.finished()
    with app.app_context():
        db.engines["reader"].dispose()

    client.get(LOOKUP)

    assert {"acquire", "connect"} <= set(seen.finished())


@ON_SQLITE
def test_who_waits_in_vain_is_seen(watched: Watched) -> None:
    app, seen = watched(POOL_SIZE="1", POOL_TIMEOUT_SECONDS="0.05")
    with app.app_context(), db.engines["reader"].connect(), ThreadPoolExecutor(1) as pool:
        response = pool.submit(app.test_client().get, LOOKUP).result()

    spans = seen.finished()
    assert response.status_code == 503
    assert spans["acquire"].status.status_code is StatusCode.ERROR
    assert [event.name for event in spans["acquire"].events] == ["exception"]
    assert spans[f"GET {PATH}"].status.status_code is StatusCode.ERROR


@ON_SQLITE
def test_who_is_refused_before_any_view_is_seen_as_well(watched: Watched) -> None:
    app, seen = watched()

    assert app.test_client().get(f"{PATH}?name=%ff").status_code == 400

    assert [said(span, "http.response.status_code") for span in seen.finished().values()] == [400]


@ON_SQLITE
@pytest.mark.parametrize("comments", ["off", "on"])
def test_statements_say_where_they_belong_only_if_asked_to(watched: Watched, comments: str) -> None:
    app, seen = watched(SQL_COMMENTS=comments)
    sent: list[str] = []
    with app.app_context():
        engine = db.engines["reader"]
        do_execute = engine.dialect.do_execute

        def look(cursor: object, statement: str, *values: object) -> None:
            sent.append(statement)
            do_execute(cursor, statement, *values)  # type: ignore[arg-type] # passed on as it came

        engine.dialect.do_execute = look  # type: ignore[method-assign, assignment] # of this one engine
    headers = TRACEPARENT | {"tracestate": "somebody=1", "baggage": "said=by-the-client"}

    app.test_client().get(LOOKUP, headers=headers)

    [statement] = sent
    span = own(statement_in(seen.finished()))
    comment = rf" /\*traceparent='00-{TRACE}-{span:016x}-01'\*/" if comments == "on" else ""
    assert re.fullmatch(rf"SELECT [^/]*{comment}", statement), statement


@ON_SQLITE
def test_a_comment_leaves_a_statement_plain(watched: Watched) -> None:
    app, _ = watched(SQL_COMMENTS="on")
    with app.app_context():
        engine = db.engines["reader"]

        for _ in range(3):
            with engine.connect() as connection:
                connection.execute(A_ROW).all()

        seen = steady(engine).snapshot()
    assert (seen["opened"], seen["closed"]) == (1, {})


@ON_SERVERS
def test_a_server_takes_the_comments(watched: Watched) -> None:
    app, seen = watched(SQL_COMMENTS="on")
    client = app.test_client()

    assert [client.get(LOOKUP).text for _ in range(2)] == ["Anna\n", "Anna\n"]

    assert statement_in(seen.finished()).status.status_code is not StatusCode.ERROR
    with app.app_context():
        assert steady(db.engines["reader"]).snapshot()["opened"] == 1
