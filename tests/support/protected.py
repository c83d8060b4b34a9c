"""What every answer carries and no page contains, wherever it comes from."""

from __future__ import annotations

import re

from werkzeug.datastructures import Headers


def assert_protected(headers: Headers) -> None:
    """Only our own files may run or be asked, and no other origin is promised anything."""
    assert headers.getlist("Content-Security-Policy") == [
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Permissions-Policy"] == "camera=(), geolocation=(), microphone=()"
    assert "Strict-Transport-Security" not in headers
    assert [name for name in dict(headers) if name.startswith("Access-Control-")] == []


def assert_nothing_inline(page: str) -> None:
    """No script or style is written into a page."""
    assert re.findall(r"<script(?! src=\"/(?:\w+/)?static/)", page) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", page) == []
