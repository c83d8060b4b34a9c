"""Where OpenTelemetry sends to: what address is taken."""

from __future__ import annotations

import pytest

from config import load_settings
from settings.problems import SettingsError

NAME = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize("address", ["http://127.0.0.1:4318", "https://otlp.example/prefix", "http://[::1]:4318/"])
def test_an_address_of_http_is_taken_as_it_is(address: str) -> None:
    assert load_settings({NAME: address}).otel_exporter_otlp_endpoint == address


@pytest.mark.parametrize("address", ["127.0.0.1:4318", "grpc://host:4317", "http://", "http:///v1", "http://a b"])
def test_another_is_refused_with_what_to_write(address: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({NAME: address})

    [problem] = caught.value.problems
    assert (problem.name, problem.remedy) == (NAME, "write http://host:4318, without /v1/traces")


def test_without_one_nothing_is_sent() -> None:
    settings = load_settings({})

    assert (settings.otel_exporter_otlp_endpoint, settings.sql_comments) == (None, False)
