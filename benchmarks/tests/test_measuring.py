"""What measures: the load, the proxy, the plan, and what becomes of them when somebody presses Ctrl-C."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from testkit import ROOT

if TYPE_CHECKING:
    from benchmarks.bench.ground import Ground

pytestmark = pytest.mark.usefixtures("bench_packages")


class Liar(BaseHTTPRequestHandler):
    """Knows one city; every third answer is another's, every fourth an error."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one piece, or each answer waits for an acknowledgement
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        body = b'City "Lima" is #1\n' if self.asked % 3 == 0 else b'City "Lima" is #305\n'
        self.send_response(503 if self.asked % 4 == 0 else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def liar() -> Iterator[int]:
    Liar.asked = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("wrk_program")
def test_the_load_tells_right_answers_from_wrong_ones_and_errors(liar: int, tmp_path: Path) -> None:
    from benchmarks.bench import wrk

    names = tmp_path / "names.txt"
    names.write_text('/?city=Lima\tCity "Lima" is #305\n')

    counted = wrk.load(f"http://127.0.0.1:{liar}", names, 1, 1)

    everything = counted["right"] + counted["wrong"] + counted["failed"]
    assert counted["right"] / everything == pytest.approx(1 / 2, abs=0.02)
    assert counted["wrong"] / everything == pytest.approx(1 / 4, abs=0.02)
    assert (counted["odd"], counted["other"]) == ("City ?Lima? is #1?", "503")


def test_answers_asked_for_by_hand_are_compared(liar: int) -> None:
    from benchmarks.bench import wrk

    assert wrk.check_by_hand(liar) == """'London' was answered with (200, 'City "Lima" is #305\\n')"""


def test_dead_time_is_what_lies_between_the_commands() -> None:
    from benchmarks.bench.wire import Life

    life = Life(began=10)
    for asked, answered in ((10, 11), (15, 18)):
        life.ask(asked, 3)
        life.answered = answered
    life.ask(20, 1)

    assert (life.commands, life.busy, life.ended) == (3, 4, 20)


def test_a_delay_is_a_delay_in_both_directions(place: Ground) -> None:
    from benchmarks.bench.wire import Wire, ping_ms

    with Wire(place.url, delay_seconds=0.001) as proxy:
        assert ping_ms(proxy.url) > 2


def test_the_plan_fits_into_the_time_and_goes_round_in_turn() -> None:
    from benchmarks.bench import plan
    from benchmarks.stacks import STACKS

    number = len(STACKS)
    long = plan.full(number, 20)

    assert plan.quick(number).seconds() < 140
    assert long.seconds() < 20 * 60
    assert plan.full(4, 20).laps > long.laps >= 2
    assert [sum(step.clients == clients for step in long.steps(plan.PLAIN)) for clients in (1, 16)] == [5, 5]
    assert [step.clients for step in long.steps(plan.PLAIN)][:10] == [1, 4, 8, 16, 64] * 2


# "place": where there is no MariaDB nothing can be measured.
@pytest.mark.usefixtures("wrk_program", "place", "ctrl_c")
def test_ctrl_c_keeps_what_is_done(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.bench", "--quick", "--only", "raw", "--output", str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        wait_for_line(process, "commands on the wire")
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()

    results = json.loads((tmp_path / "bench.json").read_text())
    assert process.returncode == 130
    assert {(each["stack"], each["problem"], each["right"] > 0) for each in results["rounds"]} == {("raw", "", True)}
    assert "**Ended early** (Ctrl-C)" in said
    assert (tmp_path / "bench.md").read_text() in said


def wait_for_line(process: subprocess.Popen[str], part: str, seconds: float = 100) -> None:
    end = time.monotonic() + seconds
    assert process.stderr is not None
    for line in process.stderr:
        if part in line:
            return
        assert time.monotonic() < end, line
    raise AssertionError(f"it ended without saying {part!r}")


def test_a_missing_program_is_named_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks.bench.__main__ import main

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["bench"])

    assert main() == 1

    said = capsys.readouterr().err
    assert re.fullmatch(r"\./run bench needs wrk.*: on Debian and Ubuntu, apt install wrk.*\n", said)


def test_threads_that_end_while_they_are_counted_are_passed_over() -> None:
    from benchmarks.bench.ground import web_switches

    busy = "import threading\nwhile True: threading.Thread(target=int).start()"
    with subprocess.Popen([sys.executable, "-c", busy]) as process:
        try:
            counted = [web_switches(Mock(workers=lambda: [process.pid])) for _ in range(300)]
        finally:
            process.kill()

    assert max(counted) > 0
