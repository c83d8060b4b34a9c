"""Flask, but for what it finds out twice on each request, or anew although it never changes."""

from functools import lru_cache

from flask import Flask, Request, request
from werkzeug.routing import MapAdapter
from werkzeug.wsgi import get_host


class Application(Flask):
    """Asks of each function once whether it is asynchronous, and of each request once what its address is."""

    def __init__(self, import_name: str) -> None:
        super().__init__(import_name)
        self.ensure_sync = lru_cache(maxsize=None)(self.ensure_sync)  # type: ignore[method-assign] # the same, remembered

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what finds the route, from what the request has read of its address already.

        Where hosts matter to the routes, that is Flask's own business.
        """
        about_hosts = self.config["SERVER_NAME"] or self.config["TRUSTED_HOSTS"] or self.url_map.host_matching
        if request is None or about_hosts or self.subdomain_matching:
            return super().create_url_adapter(request)
        request.host = host = get_host(request.environ)
        return MapAdapter(
            self.url_map,
            host.lower(),
            request.root_path,
            self.url_map.default_subdomain,
            request.scheme,
            request.path,
            request.method,
            request.query_string.decode(errors="replace"),
        )


def this_request() -> Request:
    """Return the current request itself; each look through Flask's `request` finds out anew whose it is."""
    return request._get_current_object()  # type: ignore[attr-defined, no-any-return] # a documented method of the proxy
