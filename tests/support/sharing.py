"""The servers that the tests of a session share, one of each kind."""

from __future__ import annotations

import pytest

from testkit.fleet import Fleet
from testkit.leaving_out import leave_out
from testkit.servers import MissingError, Server

fleet = pytest.StashKey[Fleet[str, Server]]()


def obtain_or_skip(config: pytest.Config, name: str) -> Server:
    try:
        return config.stash[fleet].get(name)
    except MissingError as error:
        leave_out(name, error)
