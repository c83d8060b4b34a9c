"""The measurement of growth: in short, from its own server to the table."""

from __future__ import annotations

import pytest

from testkit.leaving_out import leave_out
from testkit.servers import MissingError


@pytest.mark.usefixtures("bench_packages", "wrk_program")
@pytest.mark.short_form  # a minute, for a command that the documents call long
def test_scale_loads_asks_and_shows_each_size(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import scale
    from benchmarks.questions import LIMIT

    monkeypatch.setattr(scale, "SIZES", (600, 3000, 0))
    monkeypatch.setattr(scale, "QUICK_LAPS", 1)
    said: list[str] = []

    try:
        result = scale.measure(said.append, quick=True)
    except MissingError as error:
        leave_out("mariadb", error)

    small, large = result["sizes"]
    assert (small["cities"], large["cities"]) == (600, 3000)
    assert small["lookup_index"] == large["lookup_index"] == "ix_city_key"
    assert small["prefix_index"] == large["prefix_index"] == "ix_city_key"
    # However many have the prefix, only a page of them is read (and perhaps sorted), each with its country.
    assert large["lookup_read"] <= 4
    assert large["prefix_read"] <= 5 * (LIMIT + 1)
    assert result["lookup_ratio"] == large["lookup_p50_ms"] / small["lookup_p50_ms"]
    assert large["load_per_second"] > 0
    assert any("3,000" in line for line in said)
    assert "| lookup, p50 |" in scale.rows(result)
    assert "3,000 cities is" in scale.rows(result)
