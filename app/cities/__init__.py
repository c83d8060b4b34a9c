"""The sample: cities and countries, asked by name. All that is about them is in this folder and in tests/cities/."""

from flask import Flask

from app.cities import api, pages, writing
from app.cities.commands import load
from app.cities.commands.seed import seed


def init_app(app: Flask) -> None:
    """Bring the room: pages, API, commands, and what the application says of it elsewhere."""
    app.register_blueprint(pages.bp)
    app.register_blueprint(api.bp, url_prefix="/api/v1")
    app.register_blueprint(writing.bp, url_prefix="/api/v1")
    app.cli.add_command(load.command)
    app.extensions["seeds"].append(seed)
    app.config.update(
        API_DESCRIPTION="Sakila's cities and countries, by name and by id.",
        ERROR_PAGE="cities/error.html",
        TRY="/?city=London",
    )
