"""Where the time goes: the CPU of the application's one worker under load, by layer (`python -m benchmarks.profile`).

py-spy looks from outside which thread holds the GIL and where it is. Each sample belongs to the innermost frame of a
known layer, so the standard library's time is that of whoever called it. What the kernel does for the worker happens
without the GIL; the kernel counts that itself, and it stands in a row of its own.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.bench import wrk
from benchmarks.bench.against import checked_out
from benchmarks.bench.ground import ground, what_is_missing
from benchmarks.load import Round, ask
from benchmarks.publishing import circumstances, publish, table
from benchmarks.stacks import STACKS, Running
from testkit import ROOT

# folder in a frame's path -> layer
LAYERS = {
    "/steadypool/": "this application: the pool",
    "/app/pool/": "this application: the pool",  # where it was before it was a package
    "/app/": "this application: the rest",
    "/serving/": "this application: its worker",
    "/benchmarks/peers/": "the peer's own code",
    "/gunicorn/": "Gunicorn",
    "/werkzeug/": "Flask and Werkzeug",
    "/flask/": "Flask and Werkzeug",
    "/flask_sqlalchemy/": "Flask-SQLAlchemy",
    "/sqlalchemy/": "SQLAlchemy",
    "/pymysql/": "driver",
    "/MySQLdb/": "driver",
    "/mysql/connector/": "driver",
    "/dbutils/": "DBUtils",
    "/pydantic/": "Pydantic",
    "/structlog/": "logging",
}
OTHER = "the rest"
FRAME = re.compile(r"(?P<function>.*) \((?P<path>.*?)(?::\d+)?\)")
CLIENTS = (1, 16)
SAMPLES_PER_SECOND = 100  # each stops all threads for a moment


@dataclass(frozen=True)
class Profile:
    """How many samples each layer and each function had, by itself, in one run of py-spy."""

    layers: Counter[str]
    functions: Counter[tuple[str, str]]

    def share(self, layer: str) -> float:
        """Return which part of the samples a layer has."""
        return self.layers[layer] / max(1, self.layers.total())


def layer_of(path: str) -> str | None:
    """Return the layer that a file belongs to, None for the standard library's."""
    # The last folder that fits, and of two that begin there the longer one: a checkout may itself be at /app/.
    path = path.rpartition("/site-packages")[2]
    known = [(path.rfind(part), len(part), layer) for part, layer in LAYERS.items() if part in path]
    return max(known)[2] if known else None


def summed_up(stacks: Iterable[str]) -> Profile:
    """Return the profile in py-spy's raw lines: `outer (file:1);inner (file:2) 17`."""
    layers, functions = Counter[str](), Counter[tuple[str, str]]()
    for line in stacks:
        stack, _, samples = line.rpartition(" ")
        layer, function = _owner(stack)
        layers[layer] += int(samples)
        functions[layer, function] += int(samples)
    return Profile(layers, functions)


def _owner(stack: str) -> tuple[str, str]:
    for frame in reversed(stack.split(";")):
        found = FRAME.fullmatch(frame)
        if found and (layer := layer_of(found["path"])):
            return layer, f"{found['function']} ({'/'.join(Path(found['path']).parts[-2:])})"
    return OTHER, stack.rpartition(";")[2]


# ---- measuring ----


def sample(running: Running, names: Path, clients: int, seconds: int) -> Profile:
    """Return what py-spy sees of the worker while so many clients ask."""
    raw = names.with_name(f"raw-{clients}")
    (pid,) = running.workers()
    command = [*(_py_spy(), "record", "--pid", str(pid), "--duration", str(seconds), "--format", "raw")]
    command += ["--gil", "--rate", str(SAMPLES_PER_SECOND), "--full-filenames", "--output", str(raw)]
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(ask, running, names, clients, seconds + 1)
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=False)
        load.result()
    if done.returncode:
        sys.exit(f"py-spy could not watch the worker (it needs root or ptrace): {done.stderr.strip()[-500:]}")
    return summed_up(raw.read_text(encoding="utf-8").splitlines())


def _py_spy() -> str:
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    return found or sys.exit(
        "py-spy is missing: .venv/bin/pip install --no-deps --require-hashes -r requirements-bench.txt"
    )


@dataclass(frozen=True)
class Measured:
    """All that is known of one stack: rounds without the profiler, profiles with it."""

    key: str
    rounds: dict[int, Round]
    profiles: dict[int, Profile]

    def us(self, clients: int, layer: str) -> float:
        """Return the CPU microseconds of a request that a layer has outside the kernel."""
        return self.rounds[clients].user_us * self.profiles[clients].share(layer)

    def us_of_function(self, clients: int, layer: str, function: str) -> float:
        """Return the same of one function."""
        profile = self.profiles[clients]
        return self.rounds[clients].user_us * profile.functions[layer, function] / max(1, profile.layers.total())


def measure(key: str, seconds: int, root: Path = ROOT) -> Measured:
    """Return where the time of one stack goes, in this tree or in another one."""
    with ground(tls=False) as place, tempfile.TemporaryDirectory() as folder:
        names = wrk.write_names(Path(folder))
        with replace(STACKS[key], root=root).start(place.url, Path(folder)) as running:
            ask(running, names, CLIENTS[-1], 1)
            rounds = {clients: ask(running, names, clients, max(2, seconds // 4)) for clients in CLIENTS}
            profiles = {clients: sample(running, names, clients, seconds) for clients in CLIENTS}
            return Measured(key, rounds, profiles)


def _measure_then(commit: str, key: str, seconds: int) -> Measured:
    with tempfile.TemporaryDirectory() as folder, checked_out(commit, Path(folder)) as root:
        return measure(key, seconds, root)


# ---- telling ----


def report(measured: Measured, functions: int, before: tuple[str, Measured] | None = None) -> str:
    """Return the CPU of a request by layer, now and at an earlier commit, and the busiest functions, as Markdown."""
    clients = [f"{number} client{'s' if number > 1 else ''}" for number in CLIENTS]
    samples = " and ".join(str(profile.layers.total()) for profile in measured.profiles.values())
    then, earlier = before or ("", None)
    parts = [
        table(
            [f"`{measured.key}`: microseconds of CPU a request"]
            + ([f"{each} at {then[:7]}" for each in clients] if earlier else [])
            + [f"{each} now" if earlier else each for each in clients],
            _layers([earlier, measured] if earlier else [measured]),
        ),
        table(
            ["function, with what it calls in the standard library", "layer", *clients],
            _busiest(measured, functions),
            texts=2,
        ),
        f"{samples} samples.",
    ]
    return "\n\n".join(parts)


def _layers(trees: Sequence[Measured]) -> Iterator[list[str]]:
    known = {layer for each in trees for profile in each.profiles.values() for layer in profile.layers}
    for layer in sorted(known, key=trees[-1].profiles[CLIENTS[-1]].share, reverse=True):
        yield [layer, *(f"{each.us(clients, layer):.0f}" for each in trees for clients in CLIENTS)]
    rounds = [each.rounds[clients] for each in trees for clients in CLIENTS]
    yield ["the kernel: sockets, and handing on the GIL", *(f"{each.kernel_us:.0f}" for each in rounds)]
    yield ["**all**", *(f"**{each.web_us:.0f}**" for each in rounds)]
    yield ["requests/s", *(f"{each.per_second:,.0f}" for each in rounds)]


def _busiest(measured: Measured, number: int) -> Iterator[list[str]]:
    samples = sum((profile.functions for profile in measured.profiles.values()), Counter[tuple[str, str]]())
    for (layer, function), _ in samples.most_common(number):
        us = [measured.us_of_function(clients, layer, function) for clients in CLIENTS]
        yield [f"`{function}`", layer, *(f"{each:.1f}" for each in us)]


def main() -> None:
    """Profile one stack and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__.partition("\n")[0])
    parser.add_argument("--stack", default="ours", choices=STACKS, help="what is profiled (default: ours)")
    parser.add_argument("--seconds", type=int, default=20, help="of each of the two profiles (default: 20)")
    parser.add_argument("--functions", type=int, default=25, help="how many are listed (default: 25)")
    parser.add_argument("--against", metavar="COMMIT", help="beside it the layers at that commit")
    parser.add_argument("--save", action="store_true", help="write it into benchmarks/README.md")
    options = parser.parse_args()
    if missing := what_is_missing():
        sys.exit(missing)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        before = options.against and (options.against, _measure_then(options.against, options.stack, options.seconds))
        measured = measure(options.stack, options.seconds)
    except KeyboardInterrupt:
        sys.exit(130)  # half a profile says nothing
    text = report(measured, options.functions, before)
    print(text)
    if options.save:
        publish("profile", text, circumstances("py-spy", programs=("wrk", "mariadbd")))


if __name__ == "__main__":
    main()
