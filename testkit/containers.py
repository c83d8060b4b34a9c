"""Database servers in containers, for what this machine has no program of.

testcontainers' own clean-up container (Ryuk) is an image more to pull, and is left out; instead each container is
labelled with the process that wanted it, and those of dead processes are removed when the next one starts.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Any, NamedTuple

os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
os.environ.setdefault("TESTCONTAINERS_CONNECTION_MODE", "docker_host")
os.environ.setdefault("TESTCONTAINERS_HOST_OVERRIDE", "127.0.0.1")

import docker
from docker.errors import APIError, DockerException
from sqlalchemy import URL
from testcontainers.core.container import DockerContainer

from testkit.processes import free_port
from testkit.servers import DRIVERS, MissingError, Server, wait_until_it_answers

MYSQL_IMAGE, POSTGRESQL_IMAGE = "mysql:9.7", "postgres:15"
MARIADB_IMAGE, MARIADB118_IMAGE = "mariadb:10.11", "mariadb:11.8"
LABEL = "flask-sakila-test"


class Recipe(NamedTuple):
    """How an image is started."""

    image: str
    password_in: str
    user: str
    daemon: str
    data: str = "/var/lib/mysql"
    port: int = 3306


RECIPES = {
    "mysql": Recipe(MYSQL_IMAGE, "MYSQL_ROOT_PASSWORD", "root", "mysqld"),
    "mariadb": Recipe(MARIADB_IMAGE, "MARIADB_ROOT_PASSWORD", "root", "mariadbd"),
    "mariadb118": Recipe(MARIADB118_IMAGE, "MARIADB_ROOT_PASSWORD", "root", "mariadbd"),
    "postgresql": Recipe(
        POSTGRESQL_IMAGE, "POSTGRES_PASSWORD", "postgres", "postgres", "/var/lib/postgresql/data", 5432
    ),
}


class Container:
    """A server in a container that can be started again on its data, and treated badly."""

    def __init__(self, inside: Any) -> None:
        self.inside = inside

    def freeze(self) -> None:
        """Stop it where it is: nothing is closed, nothing is answered."""
        try:
            self.inside.pause()
        except APIError as error:
            if "unable to freeze" not in str(error):
                raise
            self.inside.pause()  # once more: on a busy machine not all of it came to a halt in time

    def thaw(self) -> None:
        """Let it go on, if it was stopped."""
        self.inside.reload()
        if self.inside.status == "paused":
            self.inside.unpause()

    def shut_down(self) -> None:
        """End it as an operator would; its data stays."""
        self.inside.stop(timeout=20)

    def kill(self) -> None:
        """End it as a crash would."""
        self.inside.kill()

    def start(self) -> None:
        """Start it again; it does not answer yet."""
        self.inside.start()

    def is_running(self) -> bool:
        """Tell whether it runs, or is frozen no more."""
        self.inside.reload()
        return bool(self.inside.status == "running")


def start_container(name: str, password: str, *options: str, keeps_data: bool = False, on_host: bool = False) -> Server:
    """Return a server in a container, its data in memory unless it is to be started again; `options` go to it.

    `on_host` puts a MySQL or MariaDB on this machine's own network: whatever listens here can be reached from it.
    """
    recipe = RECIPES[name]
    try:
        remove_orphans()
        container = DockerContainer(recipe.image).with_env(recipe.password_in, password)  # asks for the engine already
        published = free_port()
        if on_host:
            options = (*options, f"--port={published}", "--bind-address=127.0.0.1", "--loose-mysqlx=OFF")
        if options:
            container.with_command([recipe.daemon, *options])
        if not keeps_data:
            container.with_tmpfs_mount(recipe.data)
        # The same after a stop and a start, and on this machine's own address.
        if not on_host:
            container.ports = {f"{recipe.port}/tcp": ("127.0.0.1", published)}  # type: ignore[dict-item] # docker takes an address as well
        container.with_kwargs(labels={LABEL: me()}, **({"network_mode": "host"} if on_host else {}))
        container.start()
    except DockerException as error:
        raise MissingError(_advice(name, recipe.image, error)) from error
    inside = container.get_wrapped_container()
    control = Container(inside)
    url = URL.create(DRIVERS[name], recipe.user, password, "127.0.0.1", published)
    if name == "postgresql":
        url = url.set(database="postgres")
    if not wait_until_it_answers(url, control.is_running):
        log = inside.logs().decode(errors="replace")[-2000:]
        container.stop()
        raise MissingError(f"{recipe.image} was started but does not answer:\n{log}")

    def stop() -> None:
        with suppress(DockerException):
            control.thaw()
        container.stop()

    return Server(name, url, stop, None, lambda path: inside.exec_run(["cat", path]).output, control)


def _advice(name: str, image: str, error: Exception) -> str:
    is_packaged = name not in ("mysql", "mariadb118")
    more = f", or install {name} (its programs are started in a temporary folder)" if is_packaged else ""
    reason = str(error).splitlines()[0][:200]
    return f"no container of {image} could be started ({reason}). Start Docker{more}, or set TEST_{name.upper()}_URL"


def me() -> str:
    """Return the process that wants a container, as its label has it."""
    return f"{socket.gethostname()}:{os.getpid()}"


def remove_orphans() -> None:
    """Remove what dead processes have left, networks after the containers on them."""
    client = docker.from_env()
    for old in client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True):
        if _is_orphan(old.labels[LABEL]):
            with suppress(APIError):  # another one is about it, too
                old.remove(force=True, v=True)
    for network in client.networks.list(filters={"label": LABEL}):
        if _is_orphan(network.attrs["Labels"][LABEL]):
            with suppress(APIError):
                network.remove()
    client.close()


def _is_orphan(label: str) -> bool:
    host, _, pid = label.rpartition(":")
    return host == socket.gethostname() and not _is_alive(int(pid))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
