"""The experiment as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchmarks.publishing import table
from benchmarks.then.price import Price
from benchmarks.then.siege import Siege
from benchmarks.then.variants import VARIANTS

Results = Mapping[str, Sequence[Siege]]
"""The rounds of each variant."""

TLS = {"as it comes": "as PyMySQL does it", "shared": "one context for all", "off": "off"}
# A connection that stays is made once: what its TLS context costs is seen in the row of one per request alone.
PAIRS = (("per-request", "persistent"), ("per-request-shared", "persistent"), ("per-request-off", "persistent-off"))


def report(results: Results, prices: Sequence[Price]) -> str:
    """Return all tables."""
    rates = _each(results, "transactions/s", lambda siege: f"{siege.per_second:,.0f}{_failed(siege)}")
    cpu = _each(
        results,
        "CPU, % of a core: web + mariadbd",
        lambda siege: f"{siege.web_percent:.0f} + {siege.database_percent:.0f}",
    )
    return "\n\n".join(filter(None, [rates, _gains(results), cpu, _prices(prices)]))


def _each(results: Results, what: str, of: Callable[[Siege], str]) -> str:
    rows = [
        [VARIANTS[key].title, TLS[VARIANTS[key].tls], *(of(siege) for siege in sieges)]
        for key, sieges in results.items()
    ]
    return table([what, "TLS", *_clients(results)], rows, texts=2)


def _gains(results: Results) -> str:
    """Return how many times as many answers a persistent connection gives."""
    rows = [
        [TLS[VARIANTS[per_request].tls], *map(_gain, results[persistent], results[per_request])]
        for per_request, persistent in PAIRS
        if {per_request, persistent} <= results.keys()
    ]
    return table(["persistent : per request, TLS", *_clients(results)], rows) if rows else ""


def _gain(persistent: Siege, per_request: Siege) -> str:
    return f"{persistent.per_second / per_request.per_second:.1f}" if per_request.per_second else "no answer"


def _prices(prices: Sequence[Price]) -> str:
    head = ["one thread, no HTTP", "ms", "ms of CPU, client", "ms of CPU, server", "a second in a tenth of a core"]
    rows = [
        [
            each.what,
            *(f"{ms:.2f}" for ms in (each.ms, each.client_ms, each.server_ms)),
            f"{each.per_second_in_a_tenth:,.0f}",
        ]
        for each in prices
    ]
    return table(head, rows)


def _failed(siege: Siege) -> str:
    return f" ({siege.failed} failed)" if siege.failed else ""


def _clients(results: Results) -> list[str]:
    first = next(iter(results.values()), [])
    return [f"{siege.clients} client{'s' * (siege.clients > 1)}" for siege in first]
