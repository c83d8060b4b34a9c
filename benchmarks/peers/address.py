"""Where the peers find the database: DATABASE_URL as each kind of library wants it, with TLS if so wished."""

import os
import ssl
from typing import Any
from urllib.parse import unquote, urlsplit

URL = os.environ["DATABASE_URL"]
WRITER_URL = os.environ.get("DATABASE_WRITER_URL", URL)
"""Where a cluster takes writes; DATABASE_URL is where it is read then."""
WANTS_TLS = os.environ.get("DATABASE_TLS") == "require"


def tls() -> dict[str, Any]:
    """Return the argument that makes PyMySQL and asyncmy connect with TLS: one context for all connections."""
    if not WANTS_TLS:
        return {}
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}


def server(url: str = URL) -> dict[str, Any]:
    """Return the arguments that every MySQL driver of Python shares."""
    parts = urlsplit(url)
    return {
        "host": parts.hostname,
        "port": parts.port or 3306,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": parts.path.strip("/"),
    }
