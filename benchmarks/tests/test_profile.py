"""To whom a sample of the profiler belongs."""

import pytest

pytestmark = pytest.mark.usefixtures("bench_packages")


@pytest.mark.parametrize(
    ("path", "layer"),
    [
        ("/app/steadypool/pool.py", "this application: the pool"),
        ("/app/app/cities/pages.py", "this application: the rest"),
        ("/app/.venv/lib/python3.14/site-packages/sqlalchemy/engine/base.py", "SQLAlchemy"),
        ("/app/.venv/lib/python3.14/site-packages/blinker/base.py", None),
        ("/usr/lib/python3.14/socket.py", None),
    ],
)
def test_the_innermost_folder_names_the_layer(path: str, layer: str | None) -> None:
    from benchmarks.profile import layer_of

    assert layer_of(path) == layer


def test_time_in_the_standard_library_is_its_callers() -> None:
    from benchmarks.profile import OTHER, summed_up

    stack = "run (/usr/lib/python3.14/threading.py:1);read (/x/site-packages/pymysql/connections.py:9)"
    profile = summed_up([f"{stack};readinto (/usr/lib/python3.14/socket.py:7) 3", "idle (/usr/lib/queue.py:1) 1"])

    assert profile.layers == {"driver": 3, OTHER: 1}
    assert profile.functions["driver", "read (pymysql/connections.py)"] == 3
    assert profile.share("driver") == 0.75
