"""The report of a run, as Markdown, and where it goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import publishing
from benchmarks.bench import tables
from benchmarks.bench.summary import Summary
from benchmarks.publishing import in_words

NAME = "bench"

HOW = """\
Each row is a complete small application ([benchmarks/peers/](../peers/)) with the same lookup,
`SELECT city_id FROM city WHERE city_key = … ORDER BY city_id LIMIT 1`, on the same MariaDB. One Gunicorn worker with 16
threads (FastAPI: one uvicorn process), clients that keep their connections, random cities of the 600 from `wrk`, which
compares every answer with the right one. Rounds go A B C A B C; the numbers are medians.

- **added us**: microseconds a request costs beyond the floor's, 1,000,000 / requests/s less the same of the floor.
- **commands**: database commands on the wire for one answer, counted at a proxy. **connections**: opened for 1,000.
- **web CPU s, database CPU s**: CPU seconds for 1,000 answers, of all the stack's processes and of MariaDB.
- **switches**: how often one of the threads that answer had to wait, for a lock or for a file, for one answer; Linux
  counts it.
- **idle ratio**: the share of its connections' time in which no command was under way, from a connection's first
  command on. Measured with the commands, in an extra round through the proxy, which slows all of them down.
- **p50, p99**: as `wrk` gives them, which corrects for the requests that a slow answer kept it from sending.
- Peers fold a name with `strip().casefold()`, the application takes off accents as well; that favours the peers.
- PySQLPool is not among the rows: dead since 0.3.8 of 2014, and `except Exception, e:` is no Python 3.
"""

TLS = """\
**TLS**: every PyMySQL and asyncmy stack shares one TLS context, as the application does; Connector/Python has no such
option and asks for TLS by itself. Without TLS the server offers none; PyMySQL 1.2 still builds a context in each
connect unless told `ssl_disabled`, so a connection per request may be faster with TLS and a shared context than
without."""


def whole(summary: Summary) -> str:
    """Return the report."""
    results = summary.results
    parts = [
        "# This application and what people use instead\n",
        *(
            [f"**Ended early** ({early}): what is missing was not measured.\n"]
            if (early := results["ended_early"])
            else []
        ),
        HOW,
        "## One worker, 16 clients\n",
        tables.headline(summary),
        "\n## Figures to reach\n",
        tables.to_reach(summary),
        "\n## By the number of clients: requests/s · p50\n",
        tables.by_clients(summary),
        *_elsewhere(summary),
        *_growth(results),
        "\n## Made by\n",
        in_words(results["circumstances"]) + f" MariaDB {results.get('mariadb', '?')}. Rounds: {_rounds(results)}.",
    ]
    return "\n".join(parts) + "\n"


def write(results: dict[str, Any], folder: Path) -> Path:
    """Write bench.json and bench.md into a folder; return the report's file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{NAME}.json").write_text(_compact(results), "utf-8")
    file = folder / f"{NAME}.md"
    file.write_text(whole(Summary(results)), "utf-8")
    return file


def _compact(results: dict[str, Any]) -> str:
    """Return the results as JSON with a round in each line, so that two runs can be compared line by line."""
    rounds = ",\n".join(json.dumps(each, ensure_ascii=False) for each in results["rounds"])
    others = {name: value for name, value in results.items() if name != "rounds"}
    return f'{json.dumps(others, indent=1, ensure_ascii=False)[:-2]},\n "rounds": [\n{rounds}\n]}}\n'


def publish(results: dict[str, Any]) -> None:
    """Put the tables between the markers of benchmarks/README.md."""
    summary = Summary(results)
    publishing.publish(NAME, f"{tables.headline(summary)}\n\n{tables.to_reach(summary)}", results["circumstances"])


def _elsewhere(summary: Summary) -> list[str]:
    delay = summary.results.get("delay")
    if not delay:
        return []
    return [
        "\n## Two workers, TLS, a slow network: requests/s · p50\n",
        tables.elsewhere(summary),
        f"\n{TLS}\n",
        "**1 ms each way**: a proxy in a process of its own."
        f" A COM_PING takes {delay['direct_ms']:.2f} ms to the server,"
        f" {delay['through_proxy_ms']:.2f} ms through the idle proxy, {delay['with_delay_ms']:.2f} ms with the delay.",
    ]


def _growth(results: dict[str, Any]) -> list[str]:
    growth = results.get("growth")
    if not growth:
        return []
    return [
        "\n## Memory\n",
        f"This application's worker: {growth['before_mb']:.1f} MB resident after 2,000 requests to warm up,"
        f" {growth['after_mb']:.1f} MB after {growth['requests']:,} more.",
    ]


def _rounds(results: dict[str, Any]) -> str:
    laps: dict[tuple[str, int], int] = {}
    for each in results["rounds"]:
        key = (each["condition"], each["clients"])
        laps[key] = max(laps.get(key, 0), each["lap"])
    return ", ".join(f"{condition} with {clients}: {number}" for (condition, clients), number in laps.items())
