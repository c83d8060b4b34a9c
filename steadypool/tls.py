"""TLS to the database: one context for all PyMySQL connections, and the other drivers' words for the same wish."""

import functools
import ssl
from pathlib import Path
from typing import Any, Literal

TLS = Literal["prefer", "require", "verify", "off"]

LIBPQ_MODE = {"off": "disable", "prefer": "prefer", "require": "require", "verify": "verify-full"}
MYSQLCLIENT_MODE = {"off": "DISABLED", "prefer": "PREFERRED", "require": "REQUIRED", "verify": "VERIFY_IDENTITY"}


@functools.cache
def shared_context(verify: bool, ca: Path | None) -> ssl.SSLContext:
    """Return the context that all connections with these wishes share.

    Building one costs some 18 ms of CPU, and PyMySQL builds one in every connect unless it is handed one.
    """
    context = ssl.create_default_context(cafile=ca)
    # Certificates that MySQL makes for itself lack the key identifiers that Python 3.13 asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def tls_arguments(driver: str, tls: TLS, ca: Path | None) -> dict[str, Any]:
    """Return the arguments that make this driver connect with the TLS that is wished for."""
    match driver:
        case "pymysql" if tls == "off":
            return {"ssl_disabled": True}
        case "pymysql" if tls == "prefer":
            return {}  # it does so by itself, and shares the context where we connect
        case "pymysql":
            return {"ssl": shared_context(tls == "verify", ca)}
        case "mysqldb":
            return {"ssl_mode": MYSQLCLIENT_MODE[tls]} | ({"ssl": {"ca": str(ca)}} if ca else {})
        case "mysqlconnector":
            verify = {"ssl_verify_cert": True, "ssl_verify_identity": True} if tls == "verify" else {}
            return {"ssl_disabled": tls == "off"} | verify | ({"ssl_ca": str(ca)} if ca else {})
        case "psycopg":
            root = str(ca) if ca else "system"
            return {"sslmode": LIBPQ_MODE[tls]} | ({"sslrootcert": root} if tls == "verify" else {})
    return {}
