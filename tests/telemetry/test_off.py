"""Where no collector is named nothing of OpenTelemetry is loaded; where its packages are missing, the log says so."""

from __future__ import annotations

import os
import subprocess
import sys

from config import ROOT
from tests.telemetry.conftest import COLLECTOR

START = (
    "import sys; {before}; from wsgi import app; from app import telemetry; telemetry.start(app); telemetry.stop(app)"
)
LOADED = "; print(sorted(name for name in sys.modules if name.startswith('opentelemetry')))"


def started(script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    ours = {"PATH": os.environ["PATH"], "DATABASE_URL": "sqlite:///nowhere.sqlite3", "LOG_FORMAT": "json"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, env=ours | environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done


def test_nothing_is_loaded_unasked() -> None:
    assert started(START.format(before="pass") + LOADED).stdout == "[]\n"


def test_nothing_is_loaded_where_it_is_disabled() -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_SDK_DISABLED": "true"}
    assert started(START.format(before="pass") + LOADED, **environ).stdout == "[]\n"


def test_missing_packages_are_told_and_keep_nobody_from_starting() -> None:
    without = "sys.modules['opentelemetry'] = None"

    done = started(START.format(before=without), OTEL_EXPORTER_OTLP_ENDPOINT=COLLECTOR)

    assert "no telemetry is sent: a package is missing" in done.stderr
    assert "install requirements-otel.txt" in done.stderr


def test_what_the_sdk_cannot_use_is_told_and_keeps_nobody_from_starting() -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_METRIC_EXPORT_INTERVAL": "-1"}

    done = started(START.format(before="pass"), **environ)

    assert "no telemetry is sent: OpenTelemetry cannot begin" in done.stderr
    assert "-1.0 is invalid" in done.stderr
