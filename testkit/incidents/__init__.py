"""Faults that databases and networks have, each told as a short incident report."""

from testkit.incidents import connections, load, network, outages, processes, writes  # noqa: F401 -- they enlist
from testkit.incidents.scene import INCIDENTS as INCIDENTS
from testkit.incidents.scene import Incident as Incident
from testkit.incidents.scene import Player as Player
from testkit.incidents.scene import Scene as Scene
