"""From an exception to what the client reads: a problem document, a page, one line of text; nothing else does that.

Problem documents follow RFC 9457. What a driver or a traceback says goes to the log and never to the client.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import quote

import structlog
from flask import Flask, Response, current_app, render_template, request
from pydantic import BaseModel
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.wrappers import Response as AnyResponse

from app.logging import request_id
from app.media_types import HTML, JSON, PROBLEM_JSON, TEXT, accepted, preferred
from app.schema import SchemaMissingError
from steadypool import (
    DatabaseMisconfiguredError,
    DeadlineExceededError,
    OutcomeUnknownError,
    PoolExhaustedError,
    is_busy,
    is_denied,
    is_unavailable,
    unwrapped,
)

RETRY_AFTER_SECONDS = 1
MACHINE_PATHS = re.compile(r"/(api|openapi\.json|livez|readyz)(/|$)")

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: its status, its short title and what it means."""

    status: int
    title: str
    meaning: str


KINDS: dict[str, Kind] = {
    "bad-request": Kind(400, "Bad request", "A parameter is missing, given twice or outside of what is allowed."),
    "unauthorized": Kind(401, "Unauthorized", "This needs a token, which was missing or wrong."),
    "forbidden": Kind(403, "Forbidden", "Its operators must open this: OPS_TOKEN for seeing, API_TOKEN for writing."),
    "not-found": Kind(404, "Not found", "Nothing has this address, this id or this name."),
    "method-not-allowed": Kind(405, "Method not allowed", "The address exists; the Allow header lists its methods."),
    "not-acceptable": Kind(406, "Not acceptable", "The Accept header allows no representation that we have."),
    "conflict": Kind(409, "Conflict", "What is there already does not allow it; the detail says why."),
    "schema-unsupported": Kind(409, "Schema unsupported", "Somebody else made this database; here it is only read."),
    "precondition-failed": Kind(412, "Precondition failed", "If-Match or If-None-Match does not hold: it was changed."),
    "content-too-large": Kind(413, "Content too large", "The body is longer than this service reads."),
    "unsupported-media-type": Kind(415, "Unsupported media type", "The body is of a kind that is not read here."),
    "invalid-content": Kind(422, "Invalid content", "The body is JSON, but not what is wanted; errors says where."),
    "idempotency-key-reused": Kind(422, "Key reused", "This Idempotency-Key came with another request before."),
    "precondition-required": Kind(
        428, "Precondition required", "If-Match is missing, with the ETag of what is changed."
    ),
    "internal-error": Kind(500, "Internal error", "A fault of ours; the log has it under the request id."),
    "not-implemented": Kind(501, "Not implemented", "The body came in a transfer coding that is not read here."),
    "outcome-unknown": Kind(500, "Outcome unknown", "The connection was lost while a change was being kept, or not."),
    "database-unavailable": Kind(503, "Database unavailable", "The database cannot be reached; Retry-After says when."),
    "database-misconfigured": Kind(
        503, "Database misconfigured", "This service is not set up rightly for its database; its operators must act."
    ),
    "database-busy": Kind(503, "Database busy", "Others hold what this needs; Retry-After says when."),
    "schema-missing": Kind(503, "Schema missing", "The database answers but has no tables yet."),
    "overloaded": Kind(
        503, "Overloaded", "More is asked than can be answered in time; Retry-After says when to ask again."
    ),
    "pool-exhausted": Kind(503, "Pool exhausted", "All database connections are in use; Retry-After says when."),
    "deadline-exceeded": Kind(504, "Deadline exceeded", "The database did not answer within the request's deadline."),
}


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 - named after the standard's problem documents
    """An answer that is an error: a slug from KINDS and a sentence for the client; `extra` is for the page alone.

    `fields` says what is wrong with each field of a body.
    """

    slug: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, object] = field(default_factory=dict)
    fields: Sequence["FieldError"] = ()

    @property
    def status(self) -> int:
        """The HTTP status of this kind of problem."""
        return KINDS[self.slug].status


class ProblemDocument(BaseModel):
    """What every error looks like as JSON (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str


class FieldError(BaseModel):
    """What is wrong with one field of a body; the pointer (RFC 6901, as a fragment) leads to it, `#` is all of it."""

    pointer: str
    detail: str


class FieldProblemDocument(ProblemDocument):
    """An error about a body: `errors` has its fields, and is empty where none of them is wrong."""

    errors: list[FieldError]


def init_app(app: Flask) -> None:
    """Answer every exception of this application in the client's representation.

    A room may show people another page: ERROR_PAGE names its template.
    """
    app.config.setdefault("ERROR_PAGE", "error.html")
    app.register_error_handler(Problem, _answer_problem)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(Exception, _answer_unexpected)


def _answer_problem(problem: Problem) -> Response:
    kind = KINDS[problem.slug]
    return _render(
        problem.slug, kind.status, kind.title, problem.detail, problem.headers, problem.extra, problem.fields
    )


def _answer_http(error: HTTPException) -> AnyResponse:
    status = error.code or 500
    if status < 400 or error.response is not None:
        return error.get_response(request.environ)
    if status == 500:
        return _answer_unexpected(error)
    phrase = HTTPStatus(status).phrase
    # Not by the phrase alone: Python has renamed that of 413.
    slug = next((name for name, kind in KINDS.items() if kind.status == status), phrase.lower().replace(" ", "-"))
    detail = {
        404: "Nothing is at this address.",
        405: f"This address does not know the method {request.method}.",
        413: "The body is longer than this service reads.",
    }.get(status, f"{phrase}: this request cannot be answered.")
    headers = {"Allow": ", ".join(sorted(error.valid_methods or ()))} if isinstance(error, MethodNotAllowed) else {}
    return _render(slug, status, KINDS[slug].title if slug in KINDS else phrase, detail, headers)


def _answer_unexpected(raised: Exception) -> Response:
    error = unwrapped(raised)
    retry = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    if isinstance(error, PoolExhaustedError):
        log.warning("pool exhausted", error=str(error))
        return _answer_problem(Problem("pool-exhausted", "All database connections are in use. Try again soon.", retry))
    if isinstance(error, DeadlineExceededError):
        log.warning("deadline exceeded", error=str(error))
        return _answer_problem(Problem("deadline-exceeded", "The database took too long to answer."))
    if isinstance(error, OutcomeUnknownError):
        log.error("outcome unknown", exc_info=error)
        return _answer_problem(
            Problem(
                "outcome-unknown", "Whether the change was kept is not known. Look first, or repeat it with its key."
            )
        )
    if isinstance(error, DatabaseMisconfiguredError) or is_denied(error):
        log.error("database misconfigured", error=str(getattr(error, "orig", error)))
        told = "This service is not set up rightly for its database. Its log says what is wrong."
        return _answer_problem(Problem("database-misconfigured", told, retry))
    if is_busy(error):
        log.warning("database busy", error=str(error))
        return _answer_problem(Problem("database-busy", "Others are in the way. Try again soon.", retry))
    if is_unavailable(error):
        log.warning("database unavailable", error=str(error))
        return _answer_problem(Problem("database-unavailable", "The database is away. Try again soon.", retry))
    if isinstance(error, SchemaMissingError):
        log.error("schema missing", error=str(error))
        return _answer_problem(Problem("schema-missing", "The database has no tables yet. Try again later.", retry))
    log.error("unexpected exception", exc_info=error)
    return _answer_problem(Problem("internal-error", f"A fault of ours; the log has it under {request_id()}."))


def _render(
    slug: str,
    status: int,
    title: str,
    detail: str,
    headers: Mapping[str, str],
    extra: Mapping[str, object] = MappingProxyType({}),
    fields: Sequence[FieldError] = (),
) -> Response:
    media_type = _media_type()
    if media_type == JSON:
        explained = f"{quote(request.script_root)}/problems/{slug}"
        said = {"type": explained, "title": title, "status": status, "detail": detail, "request_id": request_id()}
        with_fields = FieldProblemDocument.model_validate
        document = with_fields(said | {"errors": fields}) if status == 422 else ProblemDocument.model_validate(said)
        response = Response(document.model_dump_json() + "\n", status, content_type=PROBLEM_JSON)
    elif media_type == HTML:
        retry_after = headers.get("Retry-After")
        told = {"slug": slug, "status": status, "title": title, "detail": detail, "retry_after": retry_after}
        page = render_template(current_app.config["ERROR_PAGE"], **told, **extra)
        response = Response(page, status, content_type=f"{HTML}; charset=utf-8")
    else:
        response = Response(f"{detail}\n", status, content_type=f"{TEXT}; charset=utf-8")
    response.cache_control.no_store = True
    response.vary.add("Accept")
    response.headers.update(headers)
    return response


def _media_type() -> str:
    if MACHINE_PATHS.match(request.path) or PROBLEM_JSON in accepted().values():
        return JSON
    return preferred() or TEXT
