"""A file with the address of a database, read anew while the process lives: its password may be rotated."""

import logging
from pathlib import Path

from sqlalchemy.engine import URL

from settings.database_urls import parse_database_url
from settings.problems import RefusedError
from settings.secrets import read_secret

log = logging.getLogger(__name__)


class URLFile:
    """The file that one setting names, and the address that it had when the process began."""

    def __init__(self, setting: str, path: Path, url: URL) -> None:
        self._setting, self._path = setting, path
        self._is_pipe = path.is_fifo()  # what was written into it can be read once
        self._text, self._url, self._trouble = "", url, ""

    def login(self) -> tuple[str | None, str | None]:
        """Return user and password as they are in the file now; while it cannot be used, as they were before.

        All of it is read each time, a trifle beside a connect: a new one may have time and length of the old. Where it
        leads elsewhere is not followed: budget, checks and the other engine would stay behind.
        """
        try:
            text = self._text if self._is_pipe else read_secret(self._setting, self._path)
            if text != self._text:
                url = parse_database_url(text)
                if _without_login(url) != _without_login(self._url):
                    raise RefusedError("names another host, database or option by now", "reload to follow it")
                self._url, self._text = url, text  # in this order: another thread may be here, too
            self._trouble = ""
        except RefusedError as error:
            if error.reason != self._trouble:
                self._trouble = error.reason
                said = "%s_FILE %s; user and password are still those from before: %s"
                log.warning(said, self._setting, error.reason, error.remedy)
        return self._url.username, self._url.password


def _without_login(url: URL) -> URL:
    return url._replace(username=None, password=None)
