"""What Gunicorn calls on its way from start to stop; `gunicorn.conf.py` has its settings.

All of it is imported before the fork, and the application is not: a worker imports that itself.
"""
