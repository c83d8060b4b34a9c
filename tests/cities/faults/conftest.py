"""The fixtures of tests/faults/, for what is about cities."""

from tests.faults.conftest import make_service, only_what_is_new_is_looked_through, seeded, service
from tests.support.replicated import lasting_pair, pair, replicated

__all__ = [
    "lasting_pair",
    "make_service",
    "only_what_is_new_is_looked_through",
    "pair",
    "replicated",
    "seeded",
    "service",
]
