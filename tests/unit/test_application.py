"""What our Flask does in a shorter way comes to the same."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from werkzeug.exceptions import SecurityError
from werkzeug.routing import MapAdapter
from werkzeug.test import EnvironBuilder

from app.application import Application


@pytest.mark.parametrize(
    "asked",
    [
        {"path": "/"},
        {"path": "//twice//over/"},
        {"path": "/Ōsaka", "query_string": "city=%C5%8Csaka"},
        {"path": "/", "query_string": "%ff=%"},
        {"path": "/a", "base_url": "https://Example.org:443/under"},
        {"path": "/a", "base_url": "http://[::1]:8000"},
        {"path": "/", "method": "POST"},
    ],
    ids=str,
)
@pytest.mark.parametrize("config", [{}, {"SERVER_NAME": "example.org"}, {"TRUSTED_HOSTS": ["example.org"]}], ids=str)
def test_a_route_is_looked_for_as_flask_does(asked: dict[str, Any], config: dict[str, Any]) -> None:
    def look(kind: type[Flask]) -> dict[str, object] | str:
        app = kind("app")
        app.config |= config
        request = app.request_class(EnvironBuilder(**asked).get_environ())
        try:
            adapter = app.create_url_adapter(request)
        except SecurityError as error:
            return error.name
        assert isinstance(adapter, MapAdapter)
        found = vars(adapter) | {"host": request.host, "map": None}
        return found | {"path_info": f"/{adapter.path_info.lstrip('/')}"}  # which is how it is matched

    assert look(Application) == look(Flask)


@pytest.mark.parametrize("host", ["a b", "[", "host:99999", ""])
def test_a_host_that_is_none_is_refused_or_passed_over_as_flask_does(host: str) -> None:
    def look(kind: type[Flask]) -> object:
        app = kind("app")
        environ = EnvironBuilder().get_environ() | {"HTTP_HOST": host}
        return app.test_client().open(environ_overrides=environ).status_code

    assert look(Application) == look(Flask)


def test_an_asynchronous_view_is_still_found_out() -> None:
    async def view() -> str:
        return ""

    app = Application("app")

    assert app.ensure_sync(len) is len
    with pytest.raises(RuntimeError, match="async"):
        app.ensure_sync(view)
