"""Writing, once: all of a request in one transaction, and its answer kept in the same one under its Idempotency-Key.

The header is that of the IETF's draft-ietf-httpapi-idempotency-key-header. Who repeats a request with the same key,
since nobody could tell what became of it, gets the answer of the one that was kept. A refusal is not remembered:
nothing was written, so the repetition is judged anew.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from weakref import WeakSet

from flask import Response, request
from pydantic import BaseModel
from sqlalchemy import BigInteger, Connection, Engine, Index, String, Text, delete, insert, select, update
from sqlalchemy.dialects.mysql import MEDIUMTEXT
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from app import consistency
from app.bodies import body_bytes
from app.conflicts import conflict
from app.errors import RETRY_AFTER_SECONDS, Problem
from app.extensions import Model, db
from app.media_types import JSON
from app.negotiation import tag_of
from app.preconditions import require_compared
from app.schema import SchemaMissingError, SchemaState, columns_of, schema_state
from steadypool import read

__all__ = ["KEY", "Answer", "Connection", "IdempotencyKey", "write"]  # views name the connection, and write no SQL

KEPT_SECONDS = 24 * 60 * 60
SWEPT_AT_ONCE = 1000
MOST_TRIES = 5
MOST_BODY_BYTES, MOST_HEADER_BYTES = 1024 * 1024, 60_000
"""What is kept of an answer fits into the columns on every database, MEDIUMTEXT and TEXT of MySQL and MariaDB being the
smallest; a body of 16 KiB that is told again, in an address too (three bytes for each), needs less."""

_CHARACTERS = r"[A-Za-z0-9._~:+/=-]{1,128}"
KEY = rf'^(?:{_CHARACTERS}|"{_CHARACTERS}")$'
"""What a key may be. The draft puts it into quotation marks, most clients do not; both are the same key."""


class IdempotencyKey(Model):
    """A key that was used, the request that it came with, and the answer."""

    __tablename__ = "idempotency_key"
    __table_args__ = (
        Index("ix_idempotency_key_expires_at", "expires_at"),
        {
            "mysql_engine": "InnoDB",
            "mysql_charset": "utf8mb4",
            "mariadb_engine": "InnoDB",
            "mariadb_charset": "utf8mb4",
        },
    )

    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    headers: Mapped[str] = mapped_column(Text)  # JSON
    body: Mapped[str] = mapped_column(Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb"))
    expires_at: Mapped[int] = mapped_column(BigInteger)  # seconds since 1970


class AnswerTooLongError(Exception):
    """A room answers a write with more than can be kept: a fault of the room's, and nothing is written."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write answers: it can be kept, and made a response of as often as it is asked for."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what the table of keys cannot hold, whether it is to be kept or not: a test of the room finds out."""
        for part, content, most in (
            ("body", self.body, MOST_BODY_BYTES),
            ("headers", _packed(self), MOST_HEADER_BYTES),
        ):
            if (size := len(content.encode())) > most:
                raise AnswerTooLongError(f"An answer to a write has {part} of {size:,} bytes; {most:,} can be kept.")

    @classmethod
    def of(cls, document: BaseModel, status: int = 200, **headers: str) -> "Answer":
        """Return the answer that shows the document as a GET does, with the same ETag."""
        body = document.model_dump_json() + "\n"
        return cls(status, body, {**headers, "ETag": tag_of(body.encode())})

    def response(self) -> Response:
        """Return the response; nobody may cache it."""
        response = Response(self.body, self.status, self.headers, content_type=JSON)
        if not self.body:
            del response.headers["Content-Type"]
        response.cache_control.no_store = True
        return response


Work = Callable[[Connection], Answer]


def _packed(answer: Answer) -> str:
    return json.dumps(dict(answer.headers))


class _UsedAlreadyError(Exception):
    """Somebody has used the key; what for, another transaction can read."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request with its key, as hashes: of bounded length, and the same whatever stands in them."""

    key_hash: str
    request_hash: str


def write(work: Work) -> Response:
    """Do the work in a transaction of the writer's and answer what it returns; with an Idempotency-Key, once.

    The work must do all its reading and writing on the connection that it gets, and may be begun again (see
    `in_transaction`). Raises Problem: what the work raises, 400 for a key that is none, 409 where the tables are
    somebody else's, 422 for a key that came with another request; and OutcomeUnknownError.
    """
    asked = _asked()
    _require_our_tables(db.engine)
    try:
        answer, position = _once(asked, work) if asked else consistency.written(partial(_begun, work))
        return consistency.marked(answer.response(), position)
    except IntegrityError as error:  # of what is checked at COMMIT, or what the work did not foresee
        raise conflict(error) from error


def _once(asked: _Asked, work: Work) -> tuple[Answer, str | None]:
    """Return the answer of the work or, if its key was used for the same request, the one that was kept."""
    once = partial(_begun, partial(_with_key, asked, work))
    for _ in range(MOST_TRIES):  # a second one where the key had run out, more where others then were faster
        try:
            return consistency.written(once)
        except _UsedAlreadyError:
            answer, position = consistency.written(partial(_recall, asked))
            if answer:
                return answer, position
    raise Problem("database-busy", "Others are in the way. Try again soon.", {"Retry-After": str(RETRY_AFTER_SECONDS)})


def _asked() -> _Asked | None:
    content, given = body_bytes(), request.headers.get("Idempotency-Key")
    if given is None:
        return None
    if not re.fullmatch(KEY, given):
        raise Problem("bad-request", "The Idempotency-Key is not 1 to 128 letters, digits or . _ ~ : + / = -")
    seen = [request.method.encode(), request.full_path.encode(), content]
    return _Asked(_hash(given.strip('"').encode()), _hash(b"\0".join(seen)))


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()


def _begun(work: Work, connection: Connection) -> Answer:
    if connection.dialect.name == "sqlite":
        # Python's driver would begin at the first change only, and what was read before could be old by then.
        connection.exec_driver_sql("BEGIN IMMEDIATE", execution_options={"leaves_no_trace": True})
    answer = work(connection)
    require_compared()
    return answer


def _with_key(asked: _Asked, work: Work, connection: Connection) -> Answer:
    """Take the key, do the work, keep the answer. Who comes with the same key meanwhile waits for our COMMIT."""
    taken = {
        "key_hash": asked.key_hash,
        "request_hash": asked.request_hash,
        "expires_at": int(time.time()) + KEPT_SECONDS,
    }
    try:
        connection.execute(insert(IdempotencyKey), {**taken, "status": 0, "headers": "", "body": ""})
    except IntegrityError as error:
        raise _UsedAlreadyError from error
    answer = work(connection)
    kept = {"status": answer.status, "headers": _packed(answer), "body": answer.body}
    connection.execute(update(IdempotencyKey).where(IdempotencyKey.key_hash == asked.key_hash).values(kept))
    if asked.key_hash.startswith("00"):  # one key in 256
        _sweep(connection)
    return answer


def _recall(asked: _Asked, connection: Connection) -> Answer | None:
    """Return the answer that was kept; None, and the key is free again, if its time is over."""
    mine = IdempotencyKey.key_hash == asked.key_hash
    columns = IdempotencyKey.request_hash, IdempotencyKey.status, IdempotencyKey.headers, IdempotencyKey.body
    found = connection.execute(select(*columns, IdempotencyKey.expires_at).where(mine)).first()
    if found is None:
        return None
    request_hash, status, headers, body, expires_at = found
    if expires_at <= time.time():
        connection.execute(delete(IdempotencyKey).where(mine, IdempotencyKey.expires_at == expires_at))
        return None
    if request_hash != asked.request_hash:
        raise Problem("idempotency-key-reused", "This Idempotency-Key came with another request; make a new one.")
    return Answer(status, body, json.loads(headers))


def _sweep(connection: Connection) -> None:
    """Remove keys whose time is over: more at once than come in between, and never many."""
    over = select(IdempotencyKey.key_hash).where(IdempotencyKey.expires_at <= int(time.time()))
    oldest = connection.scalars(over.order_by(IdempotencyKey.expires_at).limit(SWEPT_AT_ONCE)).all()
    if oldest:
        connection.execute(delete(IdempotencyKey).where(IdempotencyKey.key_hash.in_(oldest)))


_ours: WeakSet[Engine] = WeakSet()


def _state(connection: Connection) -> tuple[SchemaState, bool]:
    """Return how the schema stands to this code, and whether it has the table of keys."""
    return schema_state(connection), ("idempotency_key", "key_hash") in columns_of(connection, "idempotency_key")


def _require_our_tables(engine: Engine) -> None:
    """Raise Problem (409) where the tables are somebody else's, SchemaMissingError where some are missing.

    Two round trips the first time, then none. Not in the transaction of the write: whoever reads there before the first
    change may see the rows of that moment until the end.
    """
    if engine in _ours:
        return
    match read(engine, _state):
        case (("current" | "newer"), True):
            _ours.add(engine)
        case (("unmanaged" | "newer"), _):  # or newer by an Alembic of somebody else
            raise Problem("schema-unsupported", "Somebody else made these tables; here they are only read.")
        case _:
            raise SchemaMissingError("The database lacks tables; run ./run migrate.")
