"""Gunicorn's settings, made from the application's own: the server is started with `./run serve` or `gunicorn`.

The application itself is not imported here. A worker imports it after the fork, so `--reload` and SIGHUP bring in
new code (preload_app stays off for the same reason), and no database connection is ever shared by two processes.
"""

import os
import sys
import tempfile

# Gunicorn executes this file again on SIGHUP, and its workers inherit what it has imported: the new version must be
# read, or new code would meet old settings.
for _name in [each for each in sys.modules if each.partition(".")[0] in ("config", "serving", "settings")]:
    del sys.modules[_name]

from config import load_settings_or_exit  # noqa: E402 -- after the old one is forgotten
from serving.hooks import Hooks  # noqa: E402 -- as above
from serving.logs import WithoutAccessLog, application_logging  # noqa: E402 -- as above
from serving.run_directory import the_run_directory  # noqa: E402 -- as above

settings = load_settings_or_exit()

wsgi_app = "wsgi:app"
bind = f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"

worker_class = "serving.worker.GuardedWorker"  # gthread's, with what it lacks under too much load
workers, threads = settings.workers, settings.threads

# A worker that lives on is how a slow leak becomes an outage; jitter keeps them from going all at once.
max_requests = settings.max_requests
max_requests_jitter = settings.max_requests // 10

# After SIGTERM a worker has this long to answer what it has begun. compose.yaml's stop_grace_period is longer.
graceful_timeout = settings.graceful_timeout_seconds
# Not the time a request may take: how long the loop that accepts may be stuck until the worker is replaced.
timeout = 30
# Longer than the 60 s for which proxies keep an idle connection: whoever closes first must not be us, or the
# request that the proxy is just sending is lost.
keepalive = 65

# The heartbeat file belongs in memory: on a disk that is busy the arbiter takes a healthy worker for a dead one.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 -- Gunicorn makes the file safely

# Remote control through a socket in the home directory: nothing here uses it, and the home may be read-only.
control_socket_disable = True

# Nobody's X-Forwarded-* headers are believed here, not even those of 127.0.0.1 (Gunicorn's default): how many proxies
# are to be believed is TRUSTED_PROXY_HOPS, and the application sees to it.
forwarded_allow_ips = ""

logger_class = WithoutAccessLog
logconfig_dict = application_logging(settings)

_hooks = Hooks(settings, the_run_directory(worker_tmp_dir or tempfile.gettempdir(), settings.port))
on_starting, when_ready, on_exit = _hooks.on_starting, _hooks.when_ready, _hooks.on_exit
pre_fork, post_fork = _hooks.pre_fork, _hooks.post_fork
post_worker_init, worker_exit = _hooks.post_worker_init, _hooks.worker_exit
