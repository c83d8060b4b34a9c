"""To whom a sample of the profiler belongs."""

import pytest

pytestmark = pytest.mark.usefixtures("bench_packages")


@pytest.mark.parametrize(
    ("path", "layer"),
    [
        ("/app/steadypool/pool.py", "this application: the pool"),
        ("/app/app/cities/pages.py", "this application: the rest"),
        ("/app/app/pool/pool.py", "this application: the pool"),  # as it was called once
        ("/app/.venv/lib/python3.14/site-packages/sqlalchemy/engine/base.py", "SQLAlchemy"),
        ("/app/.venv/lib/python3.14/site-packages/blinker/base.py", None),
        ("/usr/lib/python3.14/socket.py", None),
    ],
)
def test_the_innermost_folder_names_the_layer(path: str, layer: str | None) -> None:
    from benchmarks.profile import layer_of

    assert layer_of(path) == layer


def test_what_was_stands_beside_what_is() -> None:
    from benchmarks.load import Round
    from benchmarks.profile import CLIENTS, Measured, report, summed_up

    def measured(user_us: float, folder: str) -> Measured:
        profile = summed_up([f"ask (/x/{folder}/a.py:1) 1"])
        one = Round(1, 1.0, 1000.0, 1.0, 1.0, 0, user_us, kernel_us=9)
        return Measured("ours", dict.fromkeys(CLIENTS, one), dict.fromkeys(CLIENTS, profile))

    now, then = measured(100, "steadypool"), measured(300, "app/pool")

    told = report(now, 1, ("0123456789", then))
    assert "| 1 client at 0123456 | 16 clients at 0123456 | 1 client now | 16 clients now |" in told
    assert "| this application: the pool | 300 | 300 | 100 | 100 |" in told
    assert "| **all** | **309** | **309** | **109** | **109** |" in told
    assert "| this application: the pool | 100 | 100 |" in report(now, 1)


def test_time_in_the_standard_library_is_its_callers() -> None:
    from benchmarks.profile import OTHER, summed_up

    stack = "run (/usr/lib/python3.14/threading.py:1);read (/x/site-packages/pymysql/connections.py:9)"
    profile = summed_up([f"{stack};readinto (/usr/lib/python3.14/socket.py:7) 3", "idle (/usr/lib/queue.py:1) 1"])

    assert profile.layers == {"driver": 3, OTHER: 1}
    assert profile.functions["driver", "read (pymysql/connections.py)"] == 3
    assert profile.share("driver") == 0.75
