"""The database: one Flask-SQLAlchemy object with two engines, imported by everyone, importing nobody's feature.

`db.engine` writes, in transactions; `db.engines["reader"]` reads, in autocommit, perhaps from a replica.
"""

from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import DeclarativeBase

from app.pool import PoolPolicy, engine_options, watch
from config import Settings


class Model(DeclarativeBase):
    """What all tables derive from: plain SQLAlchemy, so that type checkers understand it."""


class Database(SQLAlchemy):
    """Flask-SQLAlchemy with the options as they are given.

    Its own way (`engine_from_config`) reads them like words of a file, and makes a `pool_timeout` of 0.25 s none.
    """

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:
        return create_engine(**options)


db = Database(model_class=Model)


def init_app(app: Flask, settings: Settings) -> None:
    """Create both engines from the settings; nothing connects yet.

    SQLALCHEMY_ENGINE_OPTIONS would reach the default engine alone, so each engine gets its options by name.
    """
    reader, writer = pool_policy(settings, settings.pool_size), pool_policy(settings, settings.writer_pool_size)
    app.config["SQLALCHEMY_BINDS"] = {
        None: engine_options(settings.database_url, writer, role="writer"),
        "reader": engine_options(settings.database_read_url, reader, role="reader"),
    }
    db.init_app(app)
    with app.app_context():
        for engine in db.engines.values():
            watch(engine, writer)


def pool_policy(settings: Settings, size: int) -> PoolPolicy:
    """Return the settings that the pool room understands, for a pool of that size."""
    return PoolPolicy(
        strategy=settings.pool_strategy,
        size=size,
        max_overflow=settings.pool_max_overflow,
        recycle_seconds=settings.pool_recycle_seconds,
        pre_ping=settings.pool_pre_ping,
        timeout_seconds=settings.pool_timeout_seconds,
        tls=settings.database_tls,
        tls_ca=settings.database_tls_ca,
    )
