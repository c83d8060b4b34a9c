"""The fixtures of tests/faults/, for what is about cities."""

from tests.faults.conftest import make_service, only_what_is_new_is_looked_through, seeded, service

__all__ = ["make_service", "only_what_is_new_is_looked_through", "seeded", "service"]
