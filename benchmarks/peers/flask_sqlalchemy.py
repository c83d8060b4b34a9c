"""Flask-SQLAlchemy as everybody sets it up: the ORM's session, no options; PRE_PING=on adds `pool_pre_ping`."""

import os
from typing import Any

from flask import Flask, request
from flask.typing import ResponseReturnValue
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.peers import address

TEXT = {"Content-Type": "text/plain; charset=utf-8"}


class Base(DeclarativeBase):
    """What all tables derive from."""


db = SQLAlchemy(model_class=Base)


class City(db.Model):  # type: ignore[name-defined, misc] # as its documentation has it
    """A city."""

    __tablename__ = "city"

    city_id: Mapped[int] = mapped_column(primary_key=True)
    city_key: Mapped[str] = mapped_column(String(150))


app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = address.URL
options: dict[str, Any] = {"pool_pre_ping": True} if os.environ.get("PRE_PING") == "on" else {}
if address.WANTS_TLS:
    options["connect_args"] = address.tls()
if options:
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
db.init_app(app)


def find_id(key: str) -> Any:
    """Return the lowest id of that name."""
    return db.session.scalar(select(City.city_id).where(City.city_key == key).order_by(City.city_id).limit(1))


@app.get("/")
def look_up() -> ResponseReturnValue:
    """Answer with the id of the city of that name."""
    name = request.args.get("city", "")
    city_id = find_id(name.strip().casefold())
    if city_id is None:
        return f'City "{name}" not found\n', 404, TEXT
    return f'City "{name}" is #{city_id}\n', TEXT
