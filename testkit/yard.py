"""Containers that make a whole: on networks of their own, known to each other by name, all removed at the end."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import docker
import pymysql
from docker.errors import DockerException
from docker.models.containers import Container
from docker.models.networks import Network
from sqlalchemy import URL

from testkit.containers import LABEL, me, remove_orphans
from testkit.servers import DRIVERS, MissingError

START_SECONDS = 600


@dataclass(frozen=True)
class Member:
    """One server of several, reached as the administrator on a port of its own."""

    password: str
    port: int

    def connect(self) -> pymysql.Connection:
        """Return a connection."""
        to = {"host": "127.0.0.1", "port": self.port, "user": "root", "password": self.password}
        return pymysql.connect(**to, autocommit=True, connect_timeout=5, read_timeout=60)

    def ask(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements on a connection of its own; return the rows of the last."""
        with self.connect() as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def url(self, database: str | None = None) -> URL:
        """Return its address."""
        return URL.create(DRIVERS["mysql"], "root", self.password, "127.0.0.1", self.port, database)


class Yard:
    """Makes the containers and the networks, which end with `closing`; the first network is that of all."""

    def __init__(self, what: str, closing: ExitStack) -> None:
        remove_orphans()
        self._client, self._closing = docker.from_env(), closing
        closing.callback(self._client.close)
        self._mark = f"sakila-{what}-{secrets.token_hex(4)}"
        self.front = self.network("front")

    def network(self, name: str, **more: Any) -> Network:
        """Return a new network."""
        made = self._client.networks.create(f"{self._mark}-{name}", labels={LABEL: me()}, **more)
        self._closing.callback(made.remove)
        return made

    def container(self, image: str, name: str, ports: dict[int, int], **more: Any) -> Container:
        """Return a new container, not started, under its name on the first network; `ports` are inside: outside."""
        made = self._client.containers.create(
            image,
            name=f"{self._mark}-{name}",
            labels={LABEL: me()},
            network=self.front.name,
            networking_config={self.front.name: self._client.api.create_endpoint_config(aliases=[name])},
            ports={f"{inside}/tcp": ("127.0.0.1", outside) for inside, outside in ports.items()},
            **more,
        )
        self._closing.callback(partial(made.remove, force=True, v=True))
        return made


@contextmanager
def yard(what: str) -> Iterator[Yard]:
    """Yield a yard; raise `MissingError` where Docker or an image is missing."""
    with ExitStack() as closing:
        try:
            yield Yard(what, closing)
        except DockerException as error:
            reason = str(error).splitlines()[0][:200]
            raise MissingError(f"no {what} could be started ({reason}). Start Docker") from error


def wait_for(is_true: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Return once it is true; raise `MissingError` when it takes too long."""
    end = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > end:
            raise MissingError(f"it took longer than {seconds} s to {what}")
        time.sleep(0.1)
