"""What sends, what counts, and what judges in the overload: on answers of which each is known."""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from benchmarks import sakila
from benchmarks.overload.answers import KINDS, Answer, Phase
from benchmarks.overload.connections import Told, read

if TYPE_CHECKING:
    from benchmarks.overload.outcome import Outcome

pytestmark = pytest.mark.usefixtures("bench_packages")


class Moody(BaseHTTPRequestHandler):
    """Answers each request in another way, and counts the ways."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    server: Crowded

    def do_GET(self) -> None:
        mood = self.server.next_mood()
        if mood == "gave up":
            self.server.over.wait(60)
        if mood in ("lost", "gave up"):
            self.close_connection = True
            return
        name = parse_qs(urlsplit(self.path).query)["city"][0]
        body = "" if mood == "wrong" else f"{sakila.answer(name)}\n"
        self.send_response({"right": 200, "wrong": 200, "failed": 500}.get(mood, 503))
        self.send_header("Content-Length", str(len(body)))
        if mood != "rejected before":
            self.send_header("Seconds-Inside", "0.125")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


class Crowded(ThreadingHTTPServer):
    """Lets all connect at the same time."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Moody)
        self.over, self.counts = threading.Event(), Counter[str]()
        self._moods, self._lock = itertools.cycle(KINDS), threading.Lock()

    def next_mood(self) -> str:
        with self._lock:
            mood = next(self._moods)
            self.counts[mood] += 1
            return mood


@pytest.fixture
def moody() -> Iterator[Crowded]:
    with Crowded() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


@pytest.mark.parametrize("phase", [Phase(1, clients=20), Phase(1, rate=40)], ids=["closed loop", "open loop"])
def test_each_answer_is_counted_as_what_it_was(moody: Crowded, phase: Phase, tmp_path: Path) -> None:
    from benchmarks.overload.load import put_load_on

    load = put_load_on(moody.server_port, [phase], tmp_path)

    assert Counter(answer.kind for answer in load.answers) == moody.counts
    assert set(moody.counts) == set(KINDS)
    assert len(load.due_in(0)) == len(load.answers)
    assert {answer.inside for answer in load.answers if answer.kind in ("right", "rejected")} == {0.125}
    assert {answer.inside for answer in load.answers if answer.kind == "rejected before"} == {None}
    assert all(answer.ended - answer.due >= 3 for answer in load.answers if answer.kind == "gave up")


def test_nobody_listening_is_told_from_nobody_answering(tmp_path: Path) -> None:
    from benchmarks.overload.load import put_load_on
    from testkit.processes import free_port

    load = put_load_on(free_port(), [Phase(0.2, rate=50)], tmp_path)

    assert {answer.kind for answer in load.answers} == {"lost"}


def test_something_happens_at_its_moment(moody: Crowded, tmp_path: Path) -> None:
    from benchmarks.overload.load import put_load_on

    happened: list[float] = []
    began = time.monotonic()

    put_load_on(
        moody.server_port, [Phase(0.5, rate=1)], tmp_path, [(0.4, lambda: happened.append(time.monotonic() - began))]
    )

    assert len(happened) == 1
    assert happened[0] >= 0.4


def test_what_sends_says_why_it_could_not(moody: Crowded, tmp_path: Path) -> None:
    from benchmarks.overload.load import GeneratorError, put_load_on

    with pytest.raises(GeneratorError, match="ZeroDivisionError"):
        put_load_on(moody.server_port, [Phase(0.1)], tmp_path)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSeconds-Inside: 0.5\r\n"


@pytest.mark.parametrize(
    ("got", "is_the_end", "told"),
    [
        (HEAD + b"\r\nright", False, Told(200, b"right", 0.5, True)),
        (HEAD + b"\r\nrigh", False, None),
        (HEAD + b"\r\nrigh", True, None),
        (HEAD, False, None),
        (HEAD + b"Connection: Close\r\n\r\nright", False, Told(200, b"right", 0.5, False)),
        (b"HTTP/1.1 503 No\r\n\r\nlater", False, None),
        (b"HTTP/1.1 503 No\r\n\r\nlater", True, Told(503, b"later", None, False)),
    ],
    ids=["whole", "part of the body", "cut off", "part of the head", "closing", "without a length", "and its end"],
)
def test_an_answer_is_read_when_it_is_whole(got: bytes, is_the_end: bool, told: Told | None) -> None:
    assert read(got, is_the_end=is_the_end) == told


def right(due: float, took: float = 0.01) -> Answer:
    return Answer(due, due + took, "right", took / 2)


def made_up(answers: list[Answer]) -> Outcome:
    """Return the outcome of a second before, two of overload and two after."""
    from benchmarks.overload.load import Load
    from benchmarks.overload.outcome import measure
    from benchmarks.overload.probes import Probed

    probed = Probed()
    for in_time in (True, True, False):
        probed.note("/livez", in_time)
    phases = [Phase(1, rate=10), Phase(2, rate=20), Phase(2, rate=10)]
    return measure(Load(phases, answers, [0.1, 0.3, 0.2]), 1, 10.0, probed)


def evenly(began: float, ended: float, each: float = 0.1, took: float = 0.01) -> list[Answer]:
    return [right(began + number * each, took) for number in range(round((ended - began) / each))]


def test_goodput_is_compared_with_what_was_possible() -> None:
    overload = [*evenly(1, 3, 0.2), *(Answer(1.5, 4.5, "gave up", None) for _ in range(30))]

    outcome = made_up([*evenly(0, 1), *overload, *evenly(3, 5)])

    assert (outcome.goodput, outcome.possible, outcome.share) == (5.0, 10.0, 0.5)
    assert (outcome.counts["right"], outcome.counts["gave up"]) == (10, 30)
    assert outcome.client.p99 == pytest.approx(0.01)
    assert outcome.probes == {"/livez": (3, 1)}
    assert outcome.generator_cpu == 0.3


def test_no_more_is_possible_than_is_asked_for() -> None:
    outcome = made_up([*evenly(0, 1), *evenly(1, 3, 0.25), *evenly(3, 5)])

    assert (outcome.goodput, outcome.possible) == (4.0, 4.0)
    assert [moment.possible for moment in outcome.series[:2]] == [10.0, 10.0]


def test_rejections_are_timed_apart_from_answers() -> None:
    rejections = [Answer(1.2, 1.3, "rejected", 0.02), Answer(1.3, 1.7, "rejected before", None)]

    outcome = made_up([*evenly(0, 1), *evenly(1, 3), *rejections, *evenly(3, 5)])

    assert outcome.inside.p99 == 0.005
    assert outcome.rejected_inside.p99 == 0.02
    assert outcome.rejected_client.p99 == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("after", "seconds"),
    [
        (evenly(3, 5), 0.0),
        ([*evenly(3, 3.7, took=1), *evenly(3.7, 5)], 0.7),
        (evenly(3, 5, took=1), None),
        ([], None),
    ],
    ids=["at once", "later", "too slow", "nothing came"],
)
def test_it_is_normal_again_when_answers_are_as_quick_as_before(after: list[Answer], seconds: float | None) -> None:
    assert made_up([*evenly(0, 1), *evenly(1, 3), *after]).normal_after == pytest.approx(seconds)


def flawless() -> Outcome:
    from benchmarks.overload.outcome import Moment, Outcome, Percentiles

    quick = Percentiles(0.01, 0.02)
    return Outcome(
        seconds=10,
        counts=dict.fromkeys(KINDS, 0) | {"right": 950, "rejected": 100},
        goodput=95,
        possible=100,
        inside=quick,
        client=quick,
        rejected_inside=quick,
        rejected_client=quick,
        probes={"/livez": (20, 0), "/pool": (20, 0)},
        normal_after=0.5,
        generator_cpu=0.2,
        series=[Moment(95, 100)] * 12,
        span=(1, 5),
    )


def verdicts(**changed: Any) -> set[tuple[str, str]]:
    from benchmarks.overload.figures import figures

    outcomes = {"crowd": replace(flawless(), **changed), "flood": flawless(), "slow": flawless()}
    return {(each.name, each.verdict()) for each in figures({"ours": outcomes})}


def test_all_is_reached_by_a_run_without_a_flaw() -> None:
    assert {verdict for _, verdict in verdicts()} == {"reached"}
    assert len(verdicts()) == 3 * 6


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"goodput": 89}, "right answers, in what is possible"),
        ({"goodput": 0, "possible": 0}, "right answers, in what is possible"),
        ({"inside": (0.1, 1.1)}, "p99 of what is answered, from the first line"),
        ({"inside": (None, None)}, "p99 of what is answered, from the first line"),
        ({"rejected_inside": (0.01, 0.051)}, "p99 of rejections, from the first line"),
        ({"normal_after": 2.1}, "until all is normal again"),
        ({"normal_after": None}, "until all is normal again"),
        ({"probes": {"/livez": (20, 1)}}, "probes not answered in time"),
        ({"counts": dict.fromkeys(KINDS, 1)}, "wrong answers"),
    ],
)
def test_each_flaw_is_told(changed: dict[str, Any], name: str) -> None:
    from benchmarks.overload.outcome import Percentiles

    changed = {key: Percentiles(*value) if isinstance(value, tuple) else value for key, value in changed.items()}

    assert {each for each in verdicts(**changed) if each[1] != "reached"} == {
        (f"160 clients: {name}", "**not reached**")
    }


def test_what_was_not_there_was_not_reached_either() -> None:
    from benchmarks.overload.outcome import Percentiles

    told = {each for each in verdicts(rejected_inside=Percentiles(None, None)) if each[1] != "reached"}

    assert told == {("160 clients: p99 of rejections, from the first line", "none there")}


def test_a_stack_that_is_missing_is_told_and_nothing_of_it_is_reached() -> None:
    from benchmarks.overload import report
    from benchmarks.overload.figures import figures

    results = report.Results(
        outcomes={"fastapi-async": {"crowd": flawless()}}, absent={"ours": "ended with 1 at the start\nits log"}
    )

    assert {each.verdict() for each in figures(results.outcomes)} == {"not measured"}
    assert "this application is missing: ended with 1 at the start." in report.tables(results)
    assert not results.is_whole


def test_what_was_missed_is_named() -> None:
    from benchmarks.overload import report

    flawed = replace(flawless(), probes={"/livez": (20, 1), "/pool": (20, 0)}, normal_after=None)

    text = report.tables(report.Results(outcomes={"ours": {"flood": flawed}}))

    assert "| 1 of 40: `/livez` 1 | over 1 s |" in text
    assert "| never | **not reached** |" in text


def test_ctrl_c_keeps_the_stacks_that_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.overload import __main__ as command

    def interrupted(results: Any, *_: object) -> None:
        results.outcomes["ours"] = {"crowd": flawless()}
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "ground", lambda **_: nullcontext())
    monkeypatch.setattr(command, "measure", interrupted)
    monkeypatch.setattr(sys, "argv", ["overload", "--output", str(tmp_path)])

    assert command.main() == 130
    assert set(json.loads((tmp_path / "overload.json").read_text())["outcomes"]) == {"ours"}
