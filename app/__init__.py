"""The application factory: a table of contents, one line a room, in the order of start-up."""

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app import access_log, errors, extensions, logging, openapi, security
from app.cities import register as register_cities
from app.commands import doctor, seed
from app.operations import dashboard, health, metrics, reports
from config import Settings, load_settings_or_exit


def create_app(settings: Settings | None = None) -> Flask:
    """Return the application for these settings, by default those of the environment; nothing connects yet."""
    settings = settings or load_settings_or_exit()
    app = Flask(__name__)
    app.extensions["settings"] = settings

    logging.init_app(app, settings)
    access_log.init_app(app, settings)
    extensions.init_app(app, settings)
    reports.init_app(app)
    metrics.init_app(app)
    errors.init_app(app)
    security.init_app(app)
    seed.init_app(app)
    app.cli.add_command(doctor.command)

    register_cities(app)
    app.register_blueprint(openapi.bp)
    app.register_blueprint(health.bp)
    app.register_blueprint(metrics.bp)
    app.register_blueprint(dashboard.bp)

    hops = settings.trusted_proxy_hops
    if hops:
        proxied = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)
        app.wsgi_app = proxied  # type: ignore[method-assign] # Flask's documented way
    return app
