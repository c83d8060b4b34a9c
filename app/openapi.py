"""The API's description: /openapi.json (OpenAPI 3.1) made from the routes and models, /docs made from that for people.

Views say with `@operation` what they take and give; docs/decisions/0006-openapi.md tells why no framework does this.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from inspect import cleandoc
from typing import Any, TypeVar
from urllib.parse import quote

from flask import Blueprint, Flask, Response, current_app, redirect, render_template, request, url_for
from pydantic import BaseModel
from werkzeug.routing import Rule
from werkzeug.wrappers import Response as AnyResponse

from app import negotiation, openapi_writes
from app.consistency import HEADER
from app.errors import KINDS, FieldProblemDocument, Problem, ProblemDocument
from app.media_types import HTML, JSON, PROBLEM_JSON
from app.openapi_schemas import Document, Schemas
from app.parameters import MAX_ID

View = TypeVar("View", bound=Callable[..., Any])

INFO = {"title": "Cities", "version": "1"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PROBLEMS = (ProblemDocument, FieldProblemDocument)
PATH_ID = {"type": "integer", "minimum": 1, "maximum": MAX_ID}

bp = Blueprint("openapi", __name__)


@dataclass(frozen=True)
class Operation:
    """What a view takes and gives."""

    query: type[BaseModel] | None
    returns: type[BaseModel] | None
    errors: tuple[int, ...]
    texts: tuple[str, ...]
    also: Mapping[int, type[BaseModel]] = field(default_factory=dict)
    body: type[BaseModel] | None = None
    media_types: tuple[str, ...] = (JSON,)
    status: int = 200
    links_to: str = ""


def operation(
    *,
    returns: type[BaseModel] | None,
    query: type[BaseModel] | None = None,
    errors: tuple[int, ...] = (400, 406),
    texts: tuple[str, ...] = (),
    also: Mapping[int, type[BaseModel]] | None = None,
    body: type[BaseModel] | None = None,
    media_types: tuple[str, ...] = (JSON,),
    status: int = 200,
    links_to: str = "",
) -> Callable[[View], View]:
    """Describe a view: its query parameters, its JSON, its errors, other media types, other statuses with JSON.

    Of one that writes: its body in these media types, its status, and the endpoint that shows what it has made. What
    all of them have in common (the token, the headers, the errors) is `app/openapi_writes.py`'s.
    """

    def mark(view: View) -> View:
        found = Operation(query, returns, errors, texts, also or {}, body, media_types, status, links_to)
        view.operation = found  # type: ignore[attr-defined] # a mark
        return view

    return mark


@bp.get("/openapi.json")
def show_openapi() -> Response:
    """Return the description for programs."""
    negotiation.require(JSON)
    # Its paths begin at "/" unless it says where this is.
    where = {"servers": [{"url": quote(request.script_root)}]} if request.script_root else {}
    return negotiation.answer(json.dumps(describe(current_app) | where, ensure_ascii=False, indent=1) + "\n", JSON)


@bp.get("/docs")
def show_docs() -> Response:
    """Return the description for people: the same document as a page."""
    negotiation.require(HTML)
    told = {"spec": describe(current_app), "in_groups": _in_groups, "kinds": KINDS}
    return negotiation.answer(render_template("docs.html", **told), HTML)


@bp.get("/problems/<slug>")
def show_problem(slug: str) -> AnyResponse:
    """Lead from a problem's `type` to where the page explains it."""
    if slug not in KINDS:
        raise Problem("not-found", "No problem has this name.")
    return redirect(url_for("openapi.show_docs", _anchor=f"problem-{slug}"), 303)


def describe(app: Flask) -> Document:
    """Return the OpenAPI document of all views that carry an `@operation`."""
    described: list[tuple[Rule, Operation]] = [
        (rule, view.operation)
        for rule in app.url_map.iter_rules()
        if hasattr(view := app.view_functions[rule.endpoint], "operation")
    ]
    shown = {model for _, found in described for model in (found.returns, *found.also.values()) if model}
    taken = {model for _, found in described for model in (found.query, found.body) if model}
    schemas = Schemas(shown.union(PROBLEMS), taken)
    paths: dict[str, Document] = {}
    for rule, found in sorted(described, key=lambda each: METHODS.index(_method(each[0]))):
        links = openapi_writes.links(rule, found.links_to, [each for each, _ in described])
        paths.setdefault(_path(rule), {})[_method(rule).lower()] = _operation(app, schemas, rule, found, links)
    return {
        "openapi": "3.1.0",
        "info": INFO | {"description": app.config.get("API_DESCRIPTION", "")},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas.used_in(paths, *PROBLEMS),
            "securitySchemes": openapi_writes.SECURITY_SCHEMES,
        },
    }


def _in_groups(responses: Document) -> Iterator[tuple[list[str], Document]]:
    """Yield statuses with what they answer with, those together that answer alike; all but errors stand alone."""
    errors: dict[str, list[str]] = {}
    for status, response in responses.items():
        if status < "400":
            yield [status], response
        else:
            errors.setdefault(json.dumps(response.get("content", {})), []).append(status)
    for content, statuses in errors.items():
        yield statuses, {"description": "Errors", "content": json.loads(content)}


def _path(rule: Rule) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)


def _method(rule: Rule) -> str:
    return next(method for method in METHODS if method in (rule.methods or ()))


def _operation(app: Flask, schemas: Schemas, rule: Rule, found: Operation, links: Document) -> Document:
    view = app.view_functions[rule.endpoint]
    in_path = [{"name": name, "in": "path", "required": True, "schema": PATH_ID} for name in sorted(rule.arguments)]
    described: Document = {
        "operationId": view.__name__,
        "summary": cleandoc(view.__doc__ or "").split("\n")[0],
        "parameters": in_path + (_query_parameters(schemas.fields(found.query)) if found.query else []),
    }
    if _method(rule) == "GET":
        described["responses"] = _responses(schemas, found, found.errors)
        if found.errors:
            described["parameters"].append(openapi_writes.BRINGS_TOKEN)
    else:
        described["parameters"] += openapi_writes.parameters(rule)
        described["security"] = openapi_writes.SECURITY
        errors = openapi_writes.errors(rule, has_body=found.body is not None)
        described["responses"] = _responses(schemas, found, errors)
        described["responses"][str(found.status)]["headers"] = {HEADER: openapi_writes.TOKEN_HEADER}
    if found.body:
        described["requestBody"] = openapi_writes.request_body(schemas, found.body, found.media_types)
    if links:
        described["responses"][str(found.status)]["links"] = links
    return described


def _query_parameters(fields: Document) -> list[Document]:
    return [_query_parameter(name, dict(schema)) for name, schema in fields.items()]


def _query_parameter(name: str, schema: Document) -> Document:
    description = schema.pop("description", "")
    # "Not given" is null to pydantic; in a query it is just that.
    given = [choice for choice in schema.pop("anyOf", []) if choice != {"type": "null"}]
    for choice in given:
        schema |= {key: value for key, value in choice.items() if key != "description"}
    kept = {key: value for key, value in schema.items() if key != "title" and value is not None}
    return {"name": name, "in": "query", "description": description, "schema": kept}


def _responses(schemas: Schemas, found: Operation, errors: tuple[int, ...]) -> Document:
    content = {JSON: {"schema": schemas.shown(found.returns)}} if found.returns else {}
    content |= {text: {"schema": {"type": "string"}} for text in found.texts}
    responses: Document = {str(found.status): {"description": HTTPStatus(found.status).phrase, "content": content}}
    if found.errors and found.status == 200 and not found.body:
        responses["304"] = {"description": "The client's copy, named by If-None-Match, is still right"}
    for status in (*errors, *((500, 503, 504) if errors else ())):
        document = FieldProblemDocument if status == 422 else ProblemDocument
        problem = {PROBLEM_JSON: {"schema": schemas.shown(document)}}
        problem |= {text: {"schema": {"type": "string"}} for text in found.texts}
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": problem}
    for status, model in found.also.items():
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {JSON: {"schema": schemas.shown(model)}},
        }
    return responses
