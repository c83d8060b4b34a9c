"""`./run faults` refuses at once what belongs to the other part of the document."""

from __future__ import annotations

import pytest


@pytest.mark.usefixtures("bench_packages")
@pytest.mark.parametrize(
    "words", ["--cluster --only leak", "--only writer-killed", "--cluster --stacks fastapi-async", "--stacks nobody"]
)
def test_what_is_not_there_is_refused(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks.faults.__main__ import main

    monkeypatch.setattr("sys.argv", ["faults", *words.split()])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 2
    assert f"{words.split()[-1]}: not among " in capsys.readouterr().err
