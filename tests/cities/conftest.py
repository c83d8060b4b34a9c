"""The fixtures of tests/serve/ and of doctor, for this folder."""

from tests.serve.conftest import bare_tree, ready_tree, serve, served_before, tree
from tests.support.doctor import doctor, migrated, mysql_like, postgresql, served

__all__ = [
    "bare_tree",
    "doctor",
    "migrated",
    "mysql_like",
    "postgresql",
    "ready_tree",
    "serve",
    "served",
    "served_before",
    "tree",
]
