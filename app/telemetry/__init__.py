"""OpenTelemetry, for who has a collector: spans and metrics of this process. Where none is named, nothing is loaded."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from flask import Flask

from config import Settings

log = structlog.stdlib.get_logger(__name__)


def start(app: Flask) -> None:
    """Send from this process on, if the settings name a collector; not before a fork.

    Where that cannot be done the log says why, and the application goes on without.
    `app.extensions["stop_telemetry"]` is what ends it.
    """
    settings: Settings = app.extensions["settings"]
    if settings.otel_exporter_otlp_endpoint is None or settings.otel_sdk_disabled:
        return
    try:
        from app.telemetry import sending
    except ImportError as error:
        remedy = "install requirements-otel.txt, or leave out OTEL_EXPORTER_OTLP_ENDPOINT"
        log.warning("no telemetry is sent: a package is missing", package=error.name, remedy=remedy)
        return
    try:
        app.extensions["stop_telemetry"] = sending.begin_sending(app, settings.otel_exporter_otlp_endpoint)
    except Exception:  # the SDK's own variables are checked only now
        log.exception("no telemetry is sent: OpenTelemetry cannot begin")


def stop(app: Flask) -> None:
    """Send what is left, if anything was sent."""
    end: Callable[[], None] = app.extensions.pop("stop_telemetry", _nothing)
    end()


def _nothing() -> None:
    return None
