"""/metrics of a real server with several workers: nothing that was counted is ever lost."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from testkit.leaving_out import leave_out
from testkit.servers import MissingError
from testkit.waiting import eventually
from tests.serve.serving import Serving, run
from tests.support.asking import LOOKUP, PATH

TOKEN = "a-token-of-more-than-16-characters"
REPLACED_AFTER = 20
READER_LOANS = "db_client_connection_wait_time_seconds_count db_client_connection_pool_name=reader"


@pytest.fixture(scope="module")
def server(served_before: Path) -> Iterator[Serving]:
    """Two workers, each replaced after some twenty requests."""
    environ = {"WORKERS": "2", "THREADS": "2", "MAX_REQUESTS": str(REPLACED_AFTER), "LOG_FORMAT": "json"}
    with Serving(served_before, OPS_TOKEN=TOKEN, **environ) as server:
        server.wait()
        yield server


def numbers(server: Serving) -> dict[str, float]:
    """Return each series of /metrics by its name and labels."""
    answer = server.get("/metrics", Authorization=f"Bearer {TOKEN}")
    assert answer.status == 200, answer.text
    return {
        sample.name + "".join(f" {name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def lookups(server: Serving) -> float:
    seen = numbers(server)
    return seen.get(f"http_request_duration_seconds_count method=GET route={PATH} status=200", 0)


def ask(server: Serving, times: int) -> None:
    for _ in range(times):
        assert server.get(LOOKUP).status == 200


def workers_of(server: Serving) -> list[int]:
    """Return the processes that began, the oldest first."""
    return [int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", server.log.read_text())]


def run_directory(server: Serving) -> Path:
    [found] = Path("/dev/shm").glob(f"gunicorn-run-{server.port}-{server.process.pid}-*")
    return found


def test_all_workers_are_counted_and_go_on_counting_when_they_are_replaced(server: Serving) -> None:
    before, started = lookups(server), len(workers_of(server))

    seen = []
    for _ in range(6):
        ask(server, REPLACED_AFTER)
        seen.append(lookups(server))

    assert [count - before for count in seen] == [REPLACED_AFTER * (number + 1) for number in range(6)]
    assert len(workers_of(server)) >= started + 3
    assert eventually(lambda: numbers(server)[READER_LOANS] >= seen[-1])


def test_a_worker_that_is_killed_takes_no_request_with_it(server: Serving) -> None:
    ask(server, 10)
    before = lookups(server)

    os.kill(workers_of(server)[-1], signal.SIGKILL)

    server.wait()
    assert lookups(server) >= before
    assert eventually(lambda: _workers_a_second_later(server) == 2, seconds=60)


def _workers_a_second_later(server: Serving) -> float:
    # Asked all the time, workers would be replaced before others have begun.
    time.sleep(1)
    return numbers(server)["app_workers"]


def test_a_reload_goes_on_counting(server: Serving) -> None:
    before = lookups(server)
    started = len(workers_of(server))

    server.process.send_signal(signal.SIGHUP)

    assert eventually(lambda: len(workers_of(server)) >= started + 2, seconds=60)
    ask(server, 5)
    assert lookups(server) == before + 5


def test_replaced_workers_leave_no_files_behind(server: Serving) -> None:
    files = sorted(path.name for path in run_directory(server).iterdir() if path.suffix != ".tmp")

    # A reload has old and new workers side by side.
    of_workers = {name for number in range(1, 5) for name in (f"worker-{number}.json", f"histogram_{number}.db")}
    assert set(files) <= of_workers | {"history.json"}


def test_the_run_directory_goes_with_the_server_and_those_of_killed_ones_with_the_next(
    served_before: Path, serve: Callable[..., Serving]
) -> None:
    killed = serve(served_before)
    left = run_directory(killed)
    os.killpg(killed.process.pid, signal.SIGKILL)
    killed.process.wait()
    assert left.exists()

    server = serve(served_before)
    own = run_directory(server)

    assert not left.exists()
    server.stop()
    assert not own.exists()


def test_a_directory_of_ones_own_is_emptied_by_a_start_that_succeeds_and_kept(
    served_before: Path, serve: Callable[..., Serving], tmp_path: Path
) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "counter_7.db").write_bytes(b"of another run")
    (folder / "notes.txt").write_text("not ours")
    own: dict[str, Any] = {"PROMETHEUS_MULTIPROC_DIR": str(folder), "WORKERS": "1"}

    server = serve(served_before, **own)
    ask(server, 3)
    done = run(served_before, "serve", PORT=str(server.port), **own)

    assert (done.returncode, "is taken" in done.stderr) == (1, True)
    assert lookups_without_token(server) == 3
    server.stop()
    assert (folder / "notes.txt").exists()
    assert not (folder / "counter_7.db").exists()


def test_without_its_directory_a_server_goes_on_answering_and_a_new_worker_counting(
    served_before: Path, serve: Callable[..., Serving]
) -> None:
    server = serve(served_before, WORKERS="1", LOG_FORMAT="json")
    gone = run_directory(server).rename("/dev/shm/gone-with-the-tidying-up")  # in one step: it is written into
    shutil.rmtree(gone)
    ask(server, 1)
    assert server.get("/metrics").status == 200

    server.process.send_signal(signal.SIGHUP)

    assert eventually(lambda: len(workers_of(server)) == 2, seconds=60)
    assert eventually(lambda: _answers_and_counts(server), seconds=60)


def _answers_and_counts(server: Serving) -> bool:
    ask(server, 1)
    return lookups_without_token(server) > 0


def test_a_full_directory_costs_counts_and_no_request(
    served_before: Path, serve: Callable[..., Serving], tiny_folder: Path
) -> None:
    server = serve(served_before, WORKERS="1", LOG_FORMAT="json", PROMETHEUS_MULTIPROC_DIR=str(tiny_folder))

    ask(server, 20)

    assert server.get("/metrics").status == 200
    assert [event["level"] for event in server.events() if "are missing from /metrics" in event["event"]] == ["error"]


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder of 64 KiB in memory."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        leave_out("a small file system", MissingError("only the administrator may mount one"))
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def lookups_without_token(server: Serving) -> float:
    line = rf'_count\{{method="GET",route="{PATH}",status="200"\}} (\S+)'
    found = re.search(line, server.get("/metrics").text)
    return float(found[1]) if found else 0
