"""`python -m benchmarks.servers`: the application and the floor under other servers for WSGI, beside Gunicorn."""
