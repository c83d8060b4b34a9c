"""Faults that databases and networks have, each told as a short incident report."""

from benchmarks.faults.incidents import connections, load, network, outages, processes, writes  # noqa: F401 -- they enlist
from benchmarks.faults.incidents.cast import Player as Player
from benchmarks.faults.incidents.scene import INCIDENTS as INCIDENTS
from benchmarks.faults.incidents.scene import Incident as Incident
from benchmarks.faults.incidents.scene import Scene as Scene
from benchmarks.faults.incidents.scene import ServerScene as ServerScene
