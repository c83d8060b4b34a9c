"""The browser and the servers of tests/browser/, for this package."""

from tests.browser.conftest import away, browser, page, site, start_site, stoppable_site, visit

__all__ = ["away", "browser", "page", "site", "start_site", "stoppable_site", "visit"]
