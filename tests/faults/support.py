"""What a test takes of an application's pools."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import Engine

from app.extensions import db
from steadypool import SteadyPool
from tests.support.pools import steady


def reader_of(app: Flask) -> Engine:
    """Return the engine that reads."""
    with app.app_context():
        return db.engines["reader"]


def writer_of(app: Flask) -> Engine:
    """Return the engine that writes."""
    with app.app_context():
        return db.engine


def pool_of(app: Flask) -> SteadyPool:
    """Return the reader's pool."""
    return steady(reader_of(app))
