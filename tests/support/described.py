"""Requests that a machine makes up from what /openapi.json says, right ones and odd ones."""

from __future__ import annotations

from typing import Any

import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings


def answered_as_described(app: Flask, path: str) -> None:
    """Ask a path of the description in many ways; fail where an answer is not one of those described."""
    described = schemathesis.openapi.from_wsgi("/openapi.json", app)
    operation = described[path]["GET"]
    usual, odd = (
        operation.as_strategy(generation_mode=mode)
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    )

    @settings(
        max_examples=25,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=usual | odd if operation.query or operation.path_parameters else usual)
    def run(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate()

    run()
