"""The servers that are compared, each by the command that starts it with one process and its threads."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.stacks import LIKE_THE_PEERS, OUR_WORKER, Stack

APPS = {"ours": "wsgi:app", "floor": "benchmarks.peers.floor:app"}

GRANIAN = "granian --interface wsgi --host 127.0.0.1 --port $PORT --workers 1 --blocking-threads $THREADS $MORE $APP"
UWSGI = (
    "uwsgi --http11-socket 127.0.0.1:$PORT --master --processes 1 --threads $THREADS --module $APP --pythonpath ."
    ' --binary-path "$(command -v python)"'  # or it begins anew with the Python from which the environment was made
    " --need-app --lazy-apps --disable-logging --hook-master-start 'unix_signal:15 gracefully_kill_them_all' $MORE"
)
# Apache does not serve as root, and says so.
AS_NOBODY = "--user nobody --group nogroup " if sys.platform == "linux" and os.geteuid() == 0 else ""
MOD_WSGI = (
    "mod_wsgi-express start-server --host 127.0.0.1 --port $PORT --processes 1 --threads $THREADS"
    " --keep-alive-timeout 65 --application-type module --callable-object app --working-directory $PWD"
    " --server-root $ROOT/apache"
    f" --log-to-terminal {AS_NOBODY}$MORE ${{APP%:app}}"
)
IN_PYTHON = "python -m benchmarks.servers.in_python"


@dataclass(frozen=True)
class Server:
    """One row; `recycling` are the options that have it replace its workers now and then, "" where it cannot."""

    key: str
    title: str
    command: str
    package: str = ""
    """What the index calls it; Gunicorn is the application's own."""
    threads: int = 16
    reload: signal.Signals | None = None
    recycling: str = ""
    is_watched: bool = True
    """Whether its requests are counted that fail when it stops: not for a row that differs by speed alone."""

    def stack(self, app: str, binaries: Path, root: Path, *, is_recycling: bool = False) -> Stack:
        """Return how it is started for one of APPS, with the environment's programs and a folder for its files."""
        environ = LIKE_THE_PEERS | {
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "APP": APPS[app],
            "MORE": self.recycling if is_recycling else "",
            "ROOT": str(root),
            # As the hooks of serving/ have it: what is counted lies in files.
            "PROMETHEUS_MULTIPROC_DIR": str(root),
            "GUNICORN_CMD_ARGS": "--config=benchmarks/peers/gunicorn_conf.py" if app == "floor" else "",
        }
        command = ["sh", "-c", f"exec {self.command}"]
        return Stack(f"{self.key}-{app}", self.title, command, environ)


def _gunicorn(key: str, title: str, options: str, package: str = "", **more: Any) -> Server:
    parser = "" if "--http-parser" in options else "--http-parser=python "
    command = f"python -m gunicorn {parser}{options} $MORE $APP"
    recycling = "--max-requests=500 --max-requests-jitter=0"
    return Server(key, title, command, package, reload=signal.SIGHUP, recycling=recycling, **more)


_ALL = [
    _gunicorn("gunicorn", "Gunicorn, as configured", OUR_WORKER),
    _gunicorn("gunicorn-gthread", "Gunicorn's own worker", "--worker-class=gthread"),
    _gunicorn(
        "gunicorn-parser",
        'Gunicorn, `http_parser = "fast"`',
        f"{OUR_WORKER} --http-parser=fast",
        "gunicorn-h1c",
        is_watched=False,
    ),
    _gunicorn("gunicorn-4", "Gunicorn, 4 threads", OUR_WORKER, threads=4, is_watched=False),
    _gunicorn("gunicorn-close", "Gunicorn, `keepalive = 0`", f"{OUR_WORKER} --keep-alive=0", is_watched=False),
    Server(
        "granian",
        "Granian",
        GRANIAN,
        "granian",
        reload=signal.SIGHUP,
        recycling="--workers-max-rss 1 --rss-sample-interval 6",
    ),
    Server("uwsgi", "uWSGI", UWSGI, "pyuwsgi", reload=signal.SIGHUP, recycling="--max-requests 500"),
    Server(
        "mod-wsgi", "mod_wsgi-express", MOD_WSGI, "mod-wsgi", reload=signal.SIGUSR1, recycling="--maximum-requests 500"
    ),
    Server("cheroot", "Cheroot", f"{IN_PYTHON} cheroot", "cheroot"),
    Server("bjoern", "Bjoern, which has no threads", f"{IN_PYTHON} bjoern", "bjoern", threads=1),
]

SERVERS = {server.key: server for server in _ALL}
