"""Values that are more than a number, a word or on/off: what is taken, and what to write instead of the rest."""

import ipaddress
import re
import ssl
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from settings import ROOT
from settings.problems import RefusedError

SHORTEST_TOKEN = 16
_NEW_TOKEN = "make one: openssl rand -hex 24"  # noqa: S105 -- a command


def _parse_host(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        if re.fullmatch(r"[A-Za-z0-9._-]+", value):
            return value
    raise RefusedError("is not an address or a host name", "write 127.0.0.1, 0.0.0.0 or ::1; the port goes into PORT")


def _parse_ca(value: Path) -> Path:
    path = ROOT / value
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except OSError as error:  # ssl.SSLError is one too
        reason = "is not a PEM file with certificates" if isinstance(error, ssl.SSLError) else f"{error.strerror}"
        raise RefusedError(
            f"cannot be read: {reason}", "name a readable PEM file with the certificates to trust"
        ) from None
    return path


def _check_token(value: SecretStr) -> SecretStr:
    token = value.get_secret_value()
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", token):  # token68 of RFC 9110
        raise RefusedError("has characters that a bearer token must not have", _NEW_TOKEN)
    if len(token) < SHORTEST_TOKEN:
        raise RefusedError(f"has {len(token)} characters, fewer than {SHORTEST_TOKEN}: it could be guessed", _NEW_TOKEN)
    return value


def _parse_endpoint(value: str) -> str:
    if not re.fullmatch(r"https?://[^/\s]+\S*", value):
        raise RefusedError("is not an address of HTTP", "write http://host:4318, without /v1/traces")
    return value


Host = Annotated[str, AfterValidator(_parse_host)]
Endpoint = Annotated[str, AfterValidator(_parse_endpoint)]
Certificates = Annotated[Path, AfterValidator(_parse_ca)]
Token = Annotated[SecretStr, AfterValidator(_check_token)]
