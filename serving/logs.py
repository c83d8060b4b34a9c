"""Gunicorn's lines in the application's format, from the first one on."""

import importlib.util
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger

from config import Settings

_BY_PATH = Path(__file__).resolve().parents[1] / "app" / "logging.py"


class WithoutAccessLog(Logger):  # type: ignore[misc] # it has no types
    """Gunicorn's logger, silent about requests: the application logs them itself, with the request id."""

    def access(self, *_: Any) -> None:
        """Log nothing; `accesslog = None` would be overruled by `logconfig_dict`."""


def application_logging(settings: Settings) -> dict[str, Any]:
    """Return what `app.logging.logging_config` does, without importing the application, which `import app` would."""
    spec: Any = importlib.util.spec_from_file_location("_app_logging", _BY_PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: dict[str, Any] = module.logging_config(settings)
    return made
