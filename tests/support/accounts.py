"""Users of a database server whose passwords are changed, and whose connections are ended."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import URL, make_url

from steadypool import Credentials
from testkit.databases import administer, new_database
from testkit.servers import Server


class Account:
    """A user who may do everything in one database; nobody is told of a new password."""

    def __init__(self, admin: URL, database: str) -> None:
        self._admin, self._is_postgresql = admin, admin.get_backend_name() == "postgresql"
        self.user, self.password = f"rotated_{secrets.token_hex(4)}", secrets.token_hex(8)
        self.url = admin.set(username=self.user, password=self.password, database=database)
        """With the first password."""
        if self._is_postgresql:
            self._order(f"CREATE ROLE {self.user} LOGIN PASSWORD '{self.password}'")
            administer(admin.set(database=database), f"GRANT ALL ON SCHEMA public TO {self.user}")
        else:
            self._order(
                f"CREATE USER '{self.user}'@'%' IDENTIFIED BY '{self.password}'",
                f"GRANT ALL PRIVILEGES ON {database}.* TO '{self.user}'@'%'",
            )

    @property
    def credentials(self) -> Credentials:
        """Those that are right now."""
        return Credentials(user=self.user, password=self.password)

    def address(self) -> str:
        """Return the URL as it is right now, the password in it."""
        return self.url.set(password=self.password).render_as_string(hide_password=False)

    def renew(self, password: str = "") -> str:
        """Give the user another password, and return it; the old one is wrong from now on."""
        password = password or secrets.token_hex(8)
        with_password = "PASSWORD" if self._is_postgresql else "IDENTIFIED BY"
        self._order(f"ALTER {self._name} {with_password} '{password}'")
        self.password = password
        return password

    def drop(self) -> None:
        """Remove the user."""
        if self._is_postgresql:
            administer(self._admin.set(database=self.url.database), f"DROP OWNED BY {self.user}")
        self._order(f"DROP {self._name}")

    @property
    def _name(self) -> str:
        return f"ROLE {self.user}" if self._is_postgresql else f"USER '{self.user}'@'%'"

    def _order(self, *statements: str) -> None:
        administer(self._admin, *statements)


@contextmanager
def account_on(server: Server) -> Iterator[Account]:
    """Yield a user with a database of their own."""
    with new_database(server) as database:
        made = Account(server.url, make_url(database.url).database or "")
        yield made
        made.drop()


class Vault:
    """A provider that says what it was told, and remembers what it was asked."""

    def __init__(self, *answers: Callable[[], Credentials] | Credentials) -> None:
        self._answers = list(answers)
        self.asked: list[Credentials | None] = []

    def __call__(self, refused: Credentials | None) -> Credentials:
        """Return the next answer, the last one again and again."""
        self.asked.append(refused)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return answer if isinstance(answer, Credentials) else answer()
