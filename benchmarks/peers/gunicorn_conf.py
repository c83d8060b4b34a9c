"""Gunicorn for the peers, set up as the application's own; without an access log, which is Gunicorn's default."""

import os

worker_class = "gthread"
workers = int(os.environ["WORKERS"])
threads = int(os.environ["THREADS"])
bind = f"127.0.0.1:{os.environ['PORT']}"
keepalive = 65
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
control_socket_disable = True
