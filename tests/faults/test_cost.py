"""What an answer costs: no connection while it is rendered."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, before_render_template

from app import negotiation
from tests.faults.shelf import ONE
from tests.faults.support import pool_of
from tests.support.kinds import on_mariadb


@on_mariadb
@pytest.mark.parametrize("accept", ["text/plain", "application/json", "text/html"])
def test_the_connection_is_back_before_the_answer_is_rendered(
    service: Flask, accept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, lent = pool_of(service), list[int]()
    answer = negotiation.answer

    def note(*parts: Any, **more: Any) -> Any:
        lent.append(pool.checkedout())
        return answer(*parts, **more)

    monkeypatch.setattr(negotiation, "answer", note)

    with before_render_template.connected_to(lambda *_, **__: lent.append(pool.checkedout()), service):
        assert service.test_client().get(ONE, headers={"Accept": accept}).status_code == 200

    assert lent == [0] * (2 if accept == "text/html" else 1)
