"""What the database holds against a write that its room let through: a 409 that says no more than is known."""

from sqlalchemy.exc import IntegrityError

from app.errors import Problem
from steadypool import code_of

# Error codes of MySQL and MariaDB, SQLSTATEs, extended result codes of SQLite.
_OF_REFERENCES = {1216, 1217, 1451, 1452, "23001", "23503", 787, 1811}
_TAKEN = {1062, 1586, "23505", "23P01", 1555, 2067, 2579}

# PostgreSQL and SQLite do not tell which end of a reference it is, but the statement does, mostly.
_REFERENCES = {
    "INSERT": "It refers to something that is not there.",
    "DELETE": "Something else refers to it, so it has to stay.",
}


def conflict(error: IntegrityError) -> Problem:
    """Return the 409 for what a room did not foresee, or the database found at COMMIT, where there is no statement."""
    code = getattr(error.orig, "sqlite_errorcode", None) or code_of(error.orig)
    if code in _OF_REFERENCES:
        verb = (error.statement or "").lstrip()[:6].upper()
        told = _REFERENCES.get(verb, "It refers to something that is not there, or something else refers to it.")
    elif code in _TAKEN:
        told = "It is there already: it has a value that only one may have."
    else:
        told = "A value is missing, or breaks a rule of the table's."
    return Problem("conflict", told)
