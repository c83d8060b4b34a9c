"""This application with the clock; in place, since Gunicorn's hooks need the Flask object."""

from benchmarks.overload.first_line import timed_wsgi
from wsgi import app

app.wsgi_app = timed_wsgi(app.wsgi_app)  # type: ignore[assignment, method-assign] # Flask's documented way
