"""Stock Flask-SQLAlchemy with the clock, and with a health route as one would write it."""

from benchmarks.overload.first_line import timed_wsgi
from benchmarks.peers.flask_sqlalchemy import app


@app.get("/livez")
def livez() -> str:
    """Tell that the process answers; touches no database."""
    return "alive\n"


app.wsgi_app = timed_wsgi(app.wsgi_app)  # type: ignore[assignment, method-assign] # Flask's documented way
