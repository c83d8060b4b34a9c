"""SIGTERM with a notice: readiness ends at once, and only a while later does the server stop listening."""

import os
import signal
from collections.abc import Callable
from logging import Logger
from pathlib import Path
from threading import Timer


class StopAfterNotice:
    """SIGTERM for the arbiter: first leaves a file by which every worker's /readyz says 503, then stops as always.

    Balancers and Kubernetes' endpoints go on sending requests until they have noticed that an instance goes; those are
    answered, on new connections too. A second SIGTERM stops without waiting.
    """

    def __init__(self, stop: Callable[[], None], log: Logger, notice: Path, seconds: int) -> None:
        self._stop, self._log, self._notice, self._seconds = stop, log, notice, seconds
        self._is_given = False

    def __call__(self) -> None:
        """Give notice, or stop where it has been given."""
        if self._is_given:
            self._stop()
            return
        self._is_given = True
        self._log.info("Draining: /readyz says 503 from now on; the listener is closed in %s s", self._seconds)
        try:
            self._notice.touch()
        except OSError as error:
            self._log.error("/readyz cannot say so: no room for %s (%s)", self._notice, error)
        later = Timer(self._seconds, os.kill, (os.getpid(), signal.SIGTERM))
        later.daemon = True
        later.start()
