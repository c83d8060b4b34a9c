"""OPS_TOKEN and API_TOKEN are two: whoever looks at metrics need not write."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import load_settings
from settings.problems import SettingsError

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize("ops", ["OPS_TOKEN", "OPS_TOKEN_FILE"])
@pytest.mark.parametrize("api", ["API_TOKEN", "API_TOKEN_FILE"])
def test_one_for_both_is_refused_wherever_it_stands(tmp_path: Path, ops: str, api: str) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")

    with pytest.raises(SettingsError) as caught:
        load_settings({name: str(file) if name.endswith("_FILE") else TOKEN for name in (ops, api)})

    [problem] = caught.value.problems
    assert (problem.name, problem.value_shown) == ("API_TOKEN", "***")
    assert problem.reason == "is the same as OPS_TOKEN: whoever may look at the metrics could write"
    assert TOKEN not in str(problem)


def test_two_are_taken_and_so_is_none() -> None:
    load_settings({"OPS_TOKEN": TOKEN, "API_TOKEN": TOKEN[::-1]})
    load_settings({})


def test_a_token_that_is_bad_by_itself_is_told_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"OPS_TOKEN": "short", "API_TOKEN": "short"})

    assert [problem.name for problem in caught.value.problems] == ["OPS_TOKEN", "API_TOKEN"]
