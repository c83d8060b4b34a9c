"""While the database is away requests are refused at once, and told when to come again."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from testkit.proxy import Proxy
from tests.faults.clients import Clients
from tests.faults.shelf import ONE
from tests.faults.support import pool_of
from tests.support.kinds import on_mariadb
from tests.support.leftovers import seconds_until


@on_mariadb
def test_while_it_is_down_requests_are_told_when_to_come_again(
    make_service: Callable[..., Flask], proxy: Proxy
) -> None:
    service = make_service(REQUEST_DEADLINE_SECONDS=2)
    pool = pool_of(service)
    # As many as there are permits: nobody waits for one.
    clients, newcomers = Clients(service, pool.size(), pause=0.01), Clients(service, 4, pause=0.01)
    clients.run(0.3)

    proxy.refuse()
    proxy.reset_all()
    with clients.running():
        seconds_until(lambda: pool.breaker.state == "open", 1.5)
        newcomers.run(0.5)

    assert set(newcomers.statuses) == {503}
    assert {answer.text for answer in clients.failed + newcomers.answers} == {"The database is away. Try again soon.\n"}
    assert service.test_client().get(ONE).headers["Retry-After"] == "1"
