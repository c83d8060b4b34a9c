"""The database: one Flask-SQLAlchemy object with two engines, imported by everyone, importing nobody's feature.

`db.engine` writes, in transactions; `db.engines["reader"]` reads, in autocommit, perhaps from a replica.
"""

import functools
from collections.abc import Callable
from socket import gethostname
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase

from app.logging import holder
from config import Settings
from steadypool import Credentials, PoolPolicy, Role, create_pool_engine, is_refused, read

SERVICE = "cities"
"""Of whom the connections are, as a server lists them."""
COMMAND = "command"
"""In the place of a port."""
LONGEST_NAME = 63
"""Bytes; PostgreSQL cuts off the rest."""

P = ParamSpec("P")
T = TypeVar("T")
Nothing = TypeVar("Nothing")


class Model(DeclarativeBase):
    """What all tables derive from: plain SQLAlchemy, so that type checkers understand it."""


class PooledSQLAlchemy(SQLAlchemy):
    """Flask-SQLAlchemy whose engines have our pool.

    Its own way (`engine_from_config`) reads options like words of a file, and makes a `pool_timeout` of 0.25 s none.
    """

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:
        # A bind without a policy is somebody's own, and SQLAlchemy's matter.
        return create_pool_engine(**options) if "policy" in options else super()._make_engine(bind_key, options, app)


db = PooledSQLAlchemy(model_class=Model)


def init_app(app: Flask, settings: Settings) -> None:
    """Create both engines from the settings; nothing connects yet.

    SQLALCHEMY_ENGINE_OPTIONS would reach the default engine alone, so each engine gets its options by name.
    """
    app.config["SQLALCHEMY_BINDS"] = {
        None: bind(settings.database_url, pool_policy(settings, "writer"), "writer"),
        "reader": bind(settings.database_read_url, pool_policy(settings, "reader"), "reader"),
    }
    db.init_app(app)


def bind(url: URL, policy: PoolPolicy, role: Role) -> dict[str, Any]:
    """Return the options of an engine: `pool_size`, `max_overflow`, `pool_recycle`, `pool_pre_ping` among them."""
    return {"url": url, "policy": policy, "role": role, "holder": holder, **policy.engine_options()}


def reading(query: Callable[Concatenate[Connection, P], T]) -> Callable[P, T]:
    """Give a query its connection to the reader; callers leave the first argument out.

    The connection is back in the pool when the query returns. The query may be run twice (see `read`), so it must
    change nothing.
    """

    @functools.wraps(query)
    def run(*values: P.args, **options: P.kwargs) -> T:
        return read(db.engines["reader"], lambda connection: query(connection, *values, **options))

    return run


def or_nothing(nothing: Callable[[], Nothing]) -> Callable[[Callable[P, T]], Callable[P, T | Nothing]]:
    """Have a query return `nothing()` where the character set of the database cannot hold what is asked for.

    No row can have it then. ASCII is held everywhere: what is refused in spite of that stays the error that it is.
    """

    def decorate(query: Callable[P, T]) -> Callable[P, T | Nothing]:
        @functools.wraps(query)
        def run(*values: P.args, **options: P.kwargs) -> T | Nothing:
            try:
                return query(*values, **options)
            except DBAPIError as error:
                # ascii() writes a backslash for every other character.
                if is_refused(error) and "\\" in ascii((values, options)):
                    return nothing()
                raise

        return run

    return decorate


def pool_policy(settings: Settings, role: Role) -> PoolPolicy:
    """Return the settings that the pool room understands, for the pool of that role."""
    return PoolPolicy(
        strategy=settings.pool_strategy,
        size=settings.pool_size if role == "reader" else settings.writer_pool_size,
        max_overflow=settings.pool_max_overflow,
        recycle_seconds=settings.pool_recycle_seconds,
        pre_ping=settings.pool_pre_ping,
        timeout_seconds=settings.pool_timeout_seconds,
        ping_after_seconds=settings.pool_ping_after_seconds,
        max_pending=settings.pool_max_pending,
        leak_seconds=settings.pool_leak_seconds,
        deadline_seconds=settings.request_deadline_seconds,
        application_name=application_name(settings, role),
        tls=settings.database_tls,
        tls_ca=settings.database_tls_ca,
        catch_up_seconds=settings.read_your_writes_seconds if role == "reader" and settings.waits_for_replica else 0,
        credentials=credentials(settings, role),
    )


def application_name(settings: Settings, role: Role) -> str:
    """Return by what a server tells instances apart: service, host and port; commands are no instance.

    Of a long host the end is kept, which is where Kubernetes' pods differ.
    """
    is_command = role == "migration" or click.get_current_context(silent=True) is not None
    instance = f"{gethostname()}:{COMMAND if is_command else settings.port}"
    return f"{SERVICE} {instance[len(SERVICE) + 1 - LONGEST_NAME :]}"


def credentials(settings: Settings, role: Role) -> Callable[[Credentials | None], Credentials] | None:
    """Return who is asked at each connect as whom to connect: the file with the address, if it came from one."""
    file = settings.reader_url_file if role == "reader" else settings.writer_url_file
    if file is None:
        return None

    def ask(_refused: Credentials | None) -> Credentials:
        user, password = file.login()
        # Where the file has none by now, none is sent, and not that of the address at the start.
        return Credentials(user=user or "", password=password or "")

    return ask
