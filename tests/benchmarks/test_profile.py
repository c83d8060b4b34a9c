"""To whom a sample of the profiler belongs."""

import pytest

pytest.importorskip("psutil", reason="comes with requirements-bench.txt, which ./run bench installs")

from benchmarks.profile import OTHER, layer_of, summed_up


@pytest.mark.parametrize(
    ("path", "layer"),
    [
        ("/app/app/pool/lending.py", "this application: the pool"),
        ("/app/app/cities/pages.py", "this application: the rest"),
        ("/app/.venv/lib/python3.14/site-packages/sqlalchemy/engine/base.py", "SQLAlchemy"),
        ("/usr/lib/python3.14/socket.py", None),
    ],
)
def test_the_innermost_folder_names_the_layer(path, layer):
    assert layer_of(path) == layer


def test_time_in_the_standard_library_is_its_callers():
    stack = "run (/usr/lib/python3.14/threading.py:1);read (/x/site-packages/pymysql/connections.py:9)"

    profile = summed_up(
        [f"{stack};readinto (/usr/lib/python3.14/socket.py:7) 3", "idle (/usr/lib/python3.14/queue.py:1) 1"]
    )

    assert profile.layers == {"driver": 3, OTHER: 1}
    assert profile.functions["driver", "read (pymysql/connections.py)"] == 3
    assert profile.share("driver") == 0.75
