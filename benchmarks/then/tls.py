"""The three ways in which PyMySQL can be told about TLS."""

import ssl
from typing import Any

WAYS = ("as it comes", "shared", "off")


def arguments(how: str) -> dict[str, Any]:
    """Return PyMySQL's arguments: TLS as it comes, with one context for all connections, or none."""
    if how == "as it comes":
        return {}
    if how == "off":
        return {"ssl_disabled": True}
    shared = ssl.create_default_context()
    shared.check_hostname = False
    shared.verify_mode = ssl.CERT_NONE
    return {"ssl": shared}
