"""Faults that databases and networks have, each told as a short incident report."""

from tests.faults.incidents import connections, load, network, outages, processes, writes  # noqa: F401 -- they enlist
from tests.faults.incidents.scene import INCIDENTS as INCIDENTS
from tests.faults.incidents.scene import Incident as Incident
from tests.faults.incidents.scene import Player as Player
from tests.faults.incidents.scene import Scene as Scene
