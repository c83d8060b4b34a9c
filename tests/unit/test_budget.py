"""The sum of all connections against a limit: which pools share it, when it fits, and how it is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import make_url

from app.operations.budget import pools_of
from app.operations.limits import RESERVE, Budget, Limit, Pool, budgets, has_limits
from config import Settings

MAX = Limit("max_connections", 12, "server")
OF_USER = Limit("max_user_connections", 7, "user")
READS, WRITES = (("POOL_SIZE", 8),), (("WRITER_POOL_SIZE", 2),)


def pool(url: str, terms: tuple[tuple[str, int], ...]) -> Pool:
    return Pool(make_url(url), terms)


def the_budget(allowed: int, workers: int = 4) -> Budget:
    """Return the sum of the default pools on one server that allows so many connections."""
    both = pool("mysql://u@db/d", READS), pool("mysql://u@db/d", WRITES)
    limit = Limit("max_connections", allowed, "server")
    return budgets([(each, [limit]) for each in both], workers)[0]


def test_the_arithmetic_is_shown_with_the_settings_to_turn() -> None:
    assert str(the_budget(12)) == (
        "db:3306 allows 12 connections (max_connections) and WORKERS 4 x (POOL_SIZE 8 + WRITER_POOL_SIZE 2) x 2 "
        "during a reload + 5 in reserve = 85; "
        "lower WORKERS, POOL_SIZE or WRITER_POOL_SIZE, or raise max_connections by 73"
    )


@pytest.mark.parametrize(
    ("allowed", "fits", "fits_without_reload"),
    [(85, True, True), (84, False, True), (45, False, True), (44, False, False)],
)
def test_it_fits_to_the_last_connection(allowed: int, fits: bool, fits_without_reload: bool) -> None:
    budget = the_budget(allowed)

    assert (budget.fits, budget.fits_without_reload) == (fits, fits_without_reload)


@pytest.mark.parametrize("other", ["mysql://u@replica/d", "mysql://u@db:3307/d"])
def test_two_servers_have_each_their_own_sum(other: str) -> None:
    made = budgets([(pool(other, READS), [MAX]), (pool("mysql://u@db/d", WRITES), [MAX])], workers=1)

    assert {budget.where: budget.needed - RESERVE for budget in made} == {
        other.split("@")[1].removesuffix("/d") + (":3306" if "replica" in other else ""): 16,
        "db:3306": 4,
    }


def test_names_of_this_machine_are_one_server() -> None:
    urls = ["mysql://u@localhost/d", "mariadb://u@127.0.0.1:3306/d"]

    made = budgets([(pool(url, READS), [MAX]) for url in urls], workers=1)

    assert [(budget.where, budget.needed - RESERVE) for budget in made] == [("127.0.0.1:3306", 32)]


def test_users_of_one_server_share_its_limit_but_not_their_own() -> None:
    pools = [(pool("mysql://reads@db/d", READS), [MAX, OF_USER]), (pool("mysql://writes@db/d", WRITES), [MAX, OF_USER])]

    made = budgets(pools, workers=1)

    assert {budget.where: budget.needed - RESERVE for budget in made} == {
        "db:3306": 20,
        "db:3306 for reads": 16,
        "db:3306 for writes": 4,
    }


def test_the_tightest_comes_first() -> None:
    pools = [(pool("mysql://u@db/d", READS), [Limit("max_connections", 500, "server"), OF_USER])]

    assert [budget.limit.name for budget in budgets(pools, workers=1)] == ["max_user_connections", "max_connections"]


def test_what_the_server_reserves_is_not_what_is_raised() -> None:
    limit = Limit("max_connections - superuser_reserved_connections", 20, "server")
    budget = budgets([(pool("postgresql://u@db/d", READS), [limit])], workers=1)[0]

    assert budget.where == "db:5432"
    assert budget.remedy == "lower WORKERS or POOL_SIZE, or raise max_connections by 1"


class TestPools:
    def terms(self, settings: Settings) -> dict[str, tuple[tuple[str, int], ...]]:
        return {role: each.terms for role, each in pools_of(settings).items()}

    def test_overflow_counts_where_there_is_some(self, make_settings: Callable[..., Settings]) -> None:
        settings = make_settings(POOL_MAX_OVERFLOW=3)

        assert self.terms(settings) == {
            "reader": (("POOL_SIZE", 8), ("POOL_MAX_OVERFLOW", 3)),
            "writer": (("WRITER_POOL_SIZE", 2), ("POOL_MAX_OVERFLOW", 3)),
        }
        made = budgets([(Pool(make_url("mysql://db/d"), each), [MAX]) for each in self.terms(settings).values()], 1)
        assert made[0].needed - RESERVE == 2 * (8 + 3 + 2 + 3)

    def test_without_a_pool_each_thread_has_one(self, make_settings: Callable[..., Settings]) -> None:
        settings = make_settings(POOL_STRATEGY="request", THREADS=16, DATABASE_URL="mysql://u@db/d")

        made = budgets([(each, [MAX]) for each in pools_of(settings).values()], workers=1)

        assert made[0].terms == (("THREADS", 16),)

    def test_a_replica_is_the_readers(self, make_settings: Callable[..., Settings]) -> None:
        settings = make_settings(DATABASE_URL="mysql://u@db/d", DATABASE_READ_URL="mysql://u@replica/d")

        hosts = {role: each.url.host for role, each in pools_of(settings).items()}

        assert hosts == {"reader": "replica", "writer": "db"}


def test_a_file_has_no_limits() -> None:
    assert not has_limits(make_url("sqlite:///x"))
