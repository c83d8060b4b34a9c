"""What a question says of itself in its first bytes, as they were seen on a connection: nothing is parsed for it."""

import re
from typing import NamedTuple

LOOKS_AFTER = re.compile(rb"(?:GET|HEAD) /(?:livez|readyz|metrics|pool)[ ?/]")
PLAIN = re.compile(rb"(GET|HEAD) (\S+) HTTP/1\.1\r\n")
ACCEPT = re.compile(rb"\r\naccept:[ \t]*([^\r\n]{0,300})", re.IGNORECASE)
MORE_TO_COME = re.compile(rb"\r\n(?:content-length|transfer-encoding|upgrade|expect)", re.IGNORECASE)
CLOSES = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)

SHORT = 32
"""So many bytes show whether somebody looks after the service."""


class Plain(NamedTuple):
    """A question that changes nothing, by a client who stays."""

    method: str
    path: str
    accept: str


def looks_after(head: bytes) -> bool:
    """Tell whether it begins as a question of those who look after the service."""
    return LOOKS_AFTER.match(head) is not None


def is_whole(head: bytes) -> bool:
    """Tell whether a question ends here, and nothing comes behind it."""
    return head.find(b"\r\n\r\n") == len(head) - 4 and not MORE_TO_COME.search(head)


def plain(head: bytes) -> Plain | None:
    """Return what may be refused, None for all else."""
    asked = PLAIN.match(head)
    if asked is None or not is_whole(head) or CLOSES.search(head) or looks_after(head):
        return None
    wants = ACCEPT.search(head)
    return Plain(asked[1].decode(), asked[2].decode("latin-1"), wants[1].decode("latin-1") if wants else "")
