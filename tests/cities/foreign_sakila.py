"""A Sakila that somebody else made: the original schema, and a user who may read two tables and nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import make_url, text

from testkit.databases import Database, administer, new_database
from testkit.servers import Server
from tests.cities import sakila as cities

# Sakila 1.5's own statements, as its documentation has them: no index on the name, the server's collation of utf8mb4.
SCHEMA = (
    """CREATE TABLE country (
        country_id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT,
        country VARCHAR(50) NOT NULL,
        last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
        PRIMARY KEY (country_id)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4""",
    """CREATE TABLE city (
        city_id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT,
        city VARCHAR(50) NOT NULL,
        country_id SMALLINT UNSIGNED NOT NULL,
        last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
        PRIMARY KEY (city_id),
        KEY idx_fk_country_id (country_id),
        CONSTRAINT fk_city_country FOREIGN KEY (country_id) REFERENCES country (country_id)
            ON DELETE RESTRICT ON UPDATE CASCADE
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4""",
)


@contextmanager
def somebody_elses_sakila(server: Server, *more: str, collation: str = "") -> Iterator[Database]:
    """Yield a Sakila with that collation, or the server's for utf8mb4, to which these statements were done as well."""
    user, password = f"reader_{secrets.token_hex(4)}", secrets.token_hex(8)
    written = f"CHARSET={collation.partition('_')[0]} COLLATE={collation}" if collation else "CHARSET=utf8mb4"
    with new_database(server) as made:
        with made.connect() as connection:
            for statement in SCHEMA:
                connection.execute(text(statement.replace("CHARSET=utf8mb4", written)))
            for table in ("country", "city"):
                rows = cities.rows(table)
                columns = ", ".join(rows[0])
                values = ", ".join(f":{column}" for column in rows[0])
                connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"), rows)
            for statement in more:
                connection.execute(text(statement))
        name = make_url(made.url).database
        administer(
            made.admin_url,
            f"CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'",
            *(f"GRANT SELECT ON {name}.{table} TO '{user}'@'%'" for table in ("country", "city")),
        )
        url = make_url(made.url).set(username=user, password=password).render_as_string(hide_password=False)
        yield Database(made.name, url, made.admin_url, server)
        administer(made.admin_url, f"DROP USER '{user}'@'%'")
