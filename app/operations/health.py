"""/livez and /readyz: whether this process lives, and whether it can answer from its databases."""

import os
from dataclasses import dataclass, field
from threading import Event, Lock
from time import monotonic
from typing import Annotated, Literal

import structlog
from flask import Blueprint, Response, current_app
from pydantic import BaseModel, Field
from sqlalchemy import Engine

from app.extensions import db
from app.media_types import JSON
from app.openapi import operation
from app.schema import schema_state
from steadypool import DatabaseMisconfiguredError, PoolExhaustedError, SteadyPool, deadline, start_thread

BOUND_SECONDS = 1.0

bp = Blueprint("health", __name__)
log = structlog.stdlib.get_logger(__name__)

DatabaseState = Literal["up", "busy", "down", "misconfigured"]
Schema = Literal["current", "newer", "older", "empty", "unmanaged", "unknown"]


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """Whether requests can be answered, and what each database said.

    "busy" means that all connections are in use, "down" that no answer came within a second, "misconfigured" that the
    driver cannot connect as it is set up, and the schema is "unknown" where nobody could be asked. "draining" means
    that this instance is about to stop and still answers, but is to be sent nothing any more.
    """

    status: Literal["ready", "degraded", "draining", "unavailable"]
    reader: DatabaseState
    writer: DatabaseState
    schema_state: Annotated[Schema, Field(serialization_alias="schema")]


@dataclass
class Check:
    """What one look at a database found so far."""

    state: DatabaseState = "down"
    schema: Schema = "unknown"
    done: Event = field(default_factory=Event)
    pid: int = field(default_factory=os.getpid)


class Probe:
    """Asks one engine in a thread of its own, so that a deaf database cannot hold the request.

    At most one check is in flight; whoever asks meanwhile waits for that one, so stuck checks never pile up.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._check: Check | None = None

    def start(self) -> Check:
        """Return the check in flight, or a new one."""
        with self._lock:
            check = self._check
            # Threads do not survive a fork: a check that another process began will never be done.
            if check is None or check.done.is_set() or check.pid != os.getpid():
                self._check = check = Check()
                start_thread("readyz", self._look, check)
            return check

    def _look(self, check: Check) -> None:
        pool = self._engine.pool
        try:
            if isinstance(pool, SteadyPool) and pool.checkedout() >= pool.snapshot()["size"]:
                check.state = "busy"  # until a connection comes: waiting for one may take longer than our bound
            with deadline.within(BOUND_SECONDS), self._engine.connect() as connection:
                check.state = "down"
                check.schema = schema_state(connection)
            check.state = "up"
        except Exception as error:
            refused: DatabaseState = "busy" if isinstance(error, PoolExhaustedError) else "down"
            check.state = "misconfigured" if isinstance(error, DatabaseMisconfiguredError) else refused
            log.warning("readiness check failed", engine=self._engine.url.render_as_string(), error=str(error))
        finally:
            check.done.set()


@bp.get("/livez")
@operation(returns=Alive, errors=())
def livez() -> Response:
    """Tell that the process answers; touches no database."""
    return _uncached(Alive(), 200)


@bp.get("/readyz")
@operation(returns=Readiness, errors=(), also={503: Readiness})
def readyz() -> Response:
    """Tell whether each database answers and has a schema that this code can use."""
    made = {"reader": Probe(db.engines["reader"]), "writer": Probe(db.engine)}
    probes: dict[str, Probe] = current_app.extensions.setdefault("probes", made)  # the first request's stay
    checks = {name: probe.start() for name, probe in probes.items()}
    ends = monotonic() + BOUND_SECONDS
    for check in checks.values():
        check.done.wait(max(0.0, ends - monotonic()))
    readiness = readiness_of(**checks)
    if (notice := current_app.extensions.get("notice")) and notice.exists():
        readiness = readiness.model_copy(update={"status": "draining"})
    return _uncached(readiness, 503 if readiness.status in ("draining", "unavailable") else 200)


def readiness_of(reader: Check, writer: Check) -> Readiness:
    """Return the verdict: without a reader or its tables nothing works; without a writer, reading does."""
    away = ("down", "misconfigured")
    if reader.state in away or reader.schema in ("empty", "older"):
        status: Literal["ready", "degraded", "unavailable"] = "unavailable"
    else:
        status = "degraded" if writer.state in away else "ready"
    return Readiness(status=status, reader=reader.state, writer=writer.state, schema_state=reader.schema)


def _uncached(document: BaseModel, status: int) -> Response:
    response = Response(document.model_dump_json(by_alias=True) + "\n", status, content_type=JSON)
    response.cache_control.no_store = True
    return response
