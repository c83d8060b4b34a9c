"""Who is really there: this user's connections to a server, and the instances whose they are, where it tells.

PostgreSQL lists application names, MySQL what its clients say of themselves. MariaDB keeps that to itself unless its
performance schema is on, mysqlclient says nothing, and behind a pooler all have the pooler's name.
"""

from typing import NamedTuple

from sqlalchemy import Connection, text

from app.extensions import COMMAND, SERVICE
from steadypool import SteadyPool

# All may see their own user's; an administrator sees everybody's.
_MYSQL = """
    SELECT attr_value, COUNT(*) FROM information_schema.processlist AS process
    LEFT JOIN performance_schema.session_account_connect_attrs AS said
           ON said.processlist_id = process.id AND said.attr_name = 'program_name'
    WHERE user = (SELECT user FROM information_schema.processlist WHERE id = CONNECTION_ID()) GROUP BY attr_value
"""
_POSTGRESQL = """
    SELECT application_name, count(*) FROM pg_stat_activity
    WHERE usename = current_user AND backend_type = 'client backend' GROUP BY application_name
"""


class Presence(NamedTuple):
    """A user's connections to a server, and how many instances have them; None where the server does not tell."""

    connections: int
    instances: int | None

    def __str__(self) -> str:
        there = f"{self.connections} connection{'s' * (self.connections != 1)}"
        if self.instances is None:
            return there
        return f"{self.instances} instance{'s' * (self.instances != 1)} with {there}"


def read_presence(connection: Connection) -> Presence:
    """Return who is there, who asks included: one round trip."""
    question = _POSTGRESQL if connection.dialect.name == "postgresql" else _MYSQL
    told = connection.execute(text(question).execution_options(leaves_no_trace=True)).all()
    pool = connection.engine.pool
    own = pool.policy.application_name if isinstance(pool, SteadyPool) else None
    names = {name for name, _ in told}
    # Who asks is among them, unless the server, or a name of somebody's own choice, hides it: the others', too.
    instances = {name for name in names if name and name.startswith(f"{SERVICE} ") and not name.endswith(f":{COMMAND}")}
    return Presence(sum(number for _, number in told), len(instances) if own in names else None)
