"""The sum of all connections against a limit: which pools share it, when it fits, and how it is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import make_url

from app.operations.budget import RESERVE, Budget, Fleet, Terms, budgets, surprises, terms_of
from app.operations.limits import Limit, Seen, has_limits, server_of
from app.operations.presence import Presence
from config import Settings

READS: Terms = (("POOL_SIZE", 8),)
WRITES: Terms = (("WRITER_POOL_SIZE", 2),)
MAX = Limit("db:3306", "max_connections", 12)


def the_budget(allowed: int, workers: int = 4) -> Budget:
    """Return the sum of the default pools on one server that allows so many connections."""
    limit = MAX._replace(connections=allowed)
    return budgets([(READS, [limit]), (WRITES, [limit])], Fleet(workers))[0]


def needed(pools: list[tuple[Terms, list[Limit]]]) -> dict[str, int]:
    """Return what one worker and its successor need, by the limit that it counts for."""
    return {budget.limit.rpartition(" ")[0]: budget.needed - RESERVE for budget in budgets(pools, Fleet(1))}


def test_the_arithmetic_is_shown_with_the_settings_to_turn() -> None:
    budget = the_budget(12)

    assert budget.arithmetic == (
        "db:3306 allows 12 connections (max_connections) and WORKERS 4 x (POOL_SIZE 8 + WRITER_POOL_SIZE 2) x 2 "
        "during a reload + 5 in reserve = 85"
    )
    assert budget.remedy == "lower WORKERS, POOL_SIZE or WRITER_POOL_SIZE, or raise max_connections by 73"


@pytest.mark.parametrize(
    ("allowed", "fits", "fits_usually"),
    [(85, True, True), (84, False, True), (45, False, True), (44, False, False)],
)
def test_it_fits_to_the_last_connection(allowed: int, fits: bool, fits_usually: bool) -> None:
    budget = the_budget(allowed)

    assert (not budget.remedy, budget.fits_usually) == (fits, fits_usually)


@pytest.mark.parametrize(("allowed", "fits", "fits_usually"), [(40, True, True), (39, False, True), (34, False, False)])
def test_all_instances_are_counted_and_those_that_are_there_while_others_are_replaced(
    allowed: int, fits: bool, fits_usually: bool
) -> None:
    limit = MAX._replace(connections=allowed)
    budget = budgets([((("POOL_SIZE", 4),), [limit]), ((("WRITER_POOL_SIZE", 1),), [limit])], Fleet(1, 6, 1))[0]

    assert "WORKERS 1 x (POOL_SIZE 4 + WRITER_POOL_SIZE 1) x (INSTANCES 6 + INSTANCE_SURGE 1) + 5" in budget.arithmetic
    assert budget.remedy.startswith("lower INSTANCES, WORKERS, POOL_SIZE or") or fits
    assert (not budget.remedy, budget.fits_usually, budget.share) == (fits, fits_usually, 5)


def test_two_servers_have_each_their_own_sum() -> None:
    assert needed([(READS, [MAX._replace(where="replica:3306")]), (WRITES, [MAX])]) == {
        "replica:3306": 16,
        "db:3306": 4,
    }


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("mysql://u@localhost/d", "127.0.0.1:3306"),
        ("mariadb://u@127.0.0.1:3306/d", "127.0.0.1:3306"),
        ("postgresql://u@[::1]/d", "127.0.0.1:5432"),
        ("mysql://u@db:3307/d", "db:3307"),
    ],
)
def test_names_of_this_machine_are_one_server(url: str, server: str) -> None:
    assert server_of(make_url(url)) == server


def test_users_of_one_server_share_its_limit_but_not_their_own() -> None:
    reads, writes = (Limit(f"db:3306 for {user}", "max_user_connections", 7) for user in ("reads", "writes"))

    assert needed([(READS, [MAX, reads]), (WRITES, [MAX, writes])]) == {
        "db:3306": 20,
        "db:3306 for reads": 16,
        "db:3306 for writes": 4,
    }


def test_the_tightest_comes_first() -> None:
    wide, tight = MAX._replace(connections=500), Limit("db:3306 for u", "max_user_connections", 7)

    assert [budget.allowed for budget in budgets([(READS, [wide, tight])], Fleet(1))] == [7, 500]


def test_what_the_server_reserves_is_not_what_is_raised() -> None:
    limit = Limit("db:5432", "max_connections - superuser_reserved_connections", 20)

    assert (
        budgets([(READS, [limit])], Fleet(1))[0].remedy == "lower WORKERS or POOL_SIZE, or raise max_connections by 1"
    )


def test_overflow_counts_where_there_is_some(make_settings: Callable[..., Settings]) -> None:
    terms = terms_of(make_settings(POOL_MAX_OVERFLOW=3))

    assert terms == {
        "reader": (("POOL_SIZE", 8), ("POOL_MAX_OVERFLOW", 3)),
        "writer": (("WRITER_POOL_SIZE", 2), ("POOL_MAX_OVERFLOW", 3)),
    }
    assert needed([(each, [MAX]) for each in terms.values()]) == {"db:3306": 2 * (8 + 3 + 2 + 3)}


def test_without_a_pool_each_thread_has_one(make_settings: Callable[..., Settings]) -> None:
    terms = terms_of(make_settings(POOL_STRATEGY="request", THREADS=16))

    assert needed([(each, [MAX]) for each in terms.values()]) == {"db:3306": 2 * 16}


def the_surprises(there: Presence | None, fleet: Fleet, *, surge: bool = False) -> list[tuple[str, str]]:
    """Return what is said of them, where reader and writer are one user of one server."""
    seen = Seen("db:3306 for u", [], there)
    return list(surprises([(READS, seen), (WRITES, seen)], fleet, surge=surge))


def test_more_instances_than_were_said_are_told() -> None:
    told = the_surprises(Presence(20, 3), Fleet(1, 2, 1))

    assert told == [
        (
            "db:3306 for u: 3 instances with 20 connections are there, and INSTANCES=2",
            "raise INSTANCES to 3, unless some are just being replaced",
        )
    ]
    assert not the_surprises(Presence(20, 3), Fleet(1, 2, 1), surge=True), "at a start one is being replaced"
    assert the_surprises(Presence(20, 4), Fleet(1, 2, 1), surge=True)
    assert not the_surprises(Presence(20, 2), Fleet(1, 2, 1))


@pytest.mark.parametrize(("connections", "is_told"), [(3 * 2 * 10 + RESERVE, False), (3 * 2 * 10 + RESERVE + 1, True)])
def test_where_instances_are_not_told_their_connections_are_counted(connections: int, is_told: bool) -> None:
    told = the_surprises(Presence(connections, None), Fleet(2, 2, 1))

    assert [text for text, _ in told] == [
        "db:3306 for u: 66 connections are there, and by the settings there are 65 at the most"
    ] * is_told


def test_who_is_not_known_is_no_surprise() -> None:
    assert not the_surprises(None, Fleet(1))


def test_a_file_has_no_limits() -> None:
    assert not has_limits(make_url("sqlite:///x"))
