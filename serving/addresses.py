"""Whether the addresses can be had at which the server is to listen."""

import errno
import os
import socket
import sys
from collections.abc import Iterable


def exit_if_unusable(addresses: Iterable[object], usual_port: int) -> None:
    """Stop with one sentence when one of them cannot be had; Gunicorn itself would try for five seconds.

    `usual_port` is that of the settings; --bind may name others. Those of sockets in a folder are not looked at.
    """
    # Sockets that are inherited are not ours to try.
    inherited = "GUNICORN_FD" in os.environ or "LISTEN_FDS" in os.environ
    for host, port in [] if inherited else [each for each in addresses if isinstance(each, tuple)]:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                attempt.bind((host, port))
            except OSError as error:
                sys.exit(_unusable(host, port, error, usual_port))


def _unusable(host: str, port: int, error: OSError, usual_port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        other = f"another: PORT={port + 1}" if port == usual_port else "another for --bind"
        return f"Port {port} is taken on {host}; stop what listens there or choose {other}"
    if error.errno == errno.EACCES:
        return f"Only the administrator may listen on {host}:{port}; choose a PORT above 1023."
    return f"Cannot listen on {host}:{port} ({error.strerror}); HOST must be an address of this machine: HOST=127.0.0.1"
