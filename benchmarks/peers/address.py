"""Where the peers find the database: DATABASE_URL as each kind of library wants it, with TLS if so wished."""

import os
import ssl
from typing import Any
from urllib.parse import unquote, urlsplit

URL = os.environ["DATABASE_URL"]
WANTS_TLS = os.environ.get("DATABASE_TLS") == "require"


def tls() -> dict[str, Any]:
    """Return the argument that makes PyMySQL and asyncmy connect with TLS: one context for all connections."""
    if not WANTS_TLS:
        return {}
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}


def server() -> dict[str, Any]:
    """Return the arguments that every MySQL driver of Python shares."""
    parts = urlsplit(URL)
    return {
        "host": parts.hostname,
        "port": parts.port or 3306,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": parts.path.strip("/"),
    }
