"""SIGTERM with a notice: readiness ends at once, and only a while later does the server stop listening."""

import os
import signal
from pathlib import Path
from threading import Timer

from serving.protocols import Arbiter


class StopAfterNotice:
    """SIGTERM for the arbiter: first leaves a file by which every worker's /readyz says 503, then stops as always.

    Balancers and Kubernetes' endpoints go on sending requests until they have noticed that an instance goes; those are
    answered, on new connections too. A second SIGTERM stops without waiting, and nothing is reloaded any more.
    """

    def __init__(self, server: Arbiter, notice: Path, seconds: int) -> None:
        self._server, self._stop = server, server.handle_term
        self._notice, self._seconds = notice, seconds

    def __call__(self) -> None:
        """Give notice, and have the next one stop."""
        log = self._server.log
        self._server.handle_term = self._stop
        self._server.handle_hup = lambda: log.info("Not reloaded: this server is about to stop.")
        log.info("Draining: /readyz says 503 from now on; the listener is closed in %s s", self._seconds)
        try:
            self._notice.touch()
        except OSError as error:
            log.error("/readyz cannot say so: no room for %s (%s)", self._notice, error)
        later = Timer(self._seconds, os.kill, (os.getpid(), signal.SIGTERM))
        later.daemon = True
        later.start()
