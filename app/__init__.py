"""The application factory: a table of contents, one line a room, in the order of start-up."""

from flask import Flask

from app import bodies, errors, extensions, logging, middleware, openapi, refusal
from app.application import Application
from app.cities import init_app as init_cities
from app.commands import doctor, orders, seed
from app.operations import dashboard, health, metrics, profiling, reports, steering
from config import Settings, load_settings_or_exit


def create_app(settings: Settings | None = None) -> Flask:
    """Return the application for these settings, by default those of the environment; nothing connects yet."""
    settings = settings or load_settings_or_exit()
    app = Application(__name__)
    app.extensions["settings"] = settings

    logging.configure(settings)
    extensions.init_app(app, settings)
    reports.init_app(app)
    errors.init_app(app)
    middleware.init_app(app, settings)
    refusal.init_app(app)
    bodies.init_app(app)
    seed.init_app(app)
    app.cli.add_command(doctor.command)
    orders.init_app(app)

    init_cities(app)
    app.register_blueprint(openapi.bp)
    app.register_blueprint(health.bp)
    app.register_blueprint(metrics.bp)
    app.register_blueprint(dashboard.bp)
    app.register_blueprint(steering.bp)
    app.register_blueprint(profiling.bp)

    return app
