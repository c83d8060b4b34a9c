"""What the description says of operations that write: token, key, If-Match, body, errors, and where one leads."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from werkzeug.routing import Rule

from app.bodies import MERGE_PATCH
from app.idempotency import KEY

Document = dict[str, Any]

SECURITY_SCHEMES = {"token": {"type": "http", "scheme": "bearer", "description": "API_TOKEN"}}
SECURITY: list[dict[str, list[str]]] = [{"token": []}]

OF_ALL = (400, 401, 403, 409, 413, 422)
OF_BODIES = (415,)
OF_CHANGES = (404, 412, 428)

_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "of your choice, a new one for each request; repeated with the same one it is answered the same",
    "schema": {"type": "string", "pattern": KEY},
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "the ETag of the version that you saw, or *",
    "schema": {"type": "string"},
}


def parameters(rule: Rule) -> list[Document]:
    """Return the headers that a write takes; one that names a thing in its path changes it."""
    return [_KEY, _IF_MATCH] if rule.arguments else [_KEY]


def errors(rule: Rule, *, has_body: bool) -> tuple[int, ...]:
    """Return the statuses with which a write may be refused."""
    return tuple(sorted(OF_ALL + (OF_BODIES if has_body else ()) + (OF_CHANGES if rule.arguments else ())))


def request_body(model: type[BaseModel], media_types: tuple[str, ...]) -> Document:
    """Return the description of a body; of a merge patch no field is required."""
    schema = model.model_json_schema()
    if MERGE_PATCH in media_types:
        del schema["required"]
    return {"required": True, "content": {media_type: {"schema": schema} for media_type in media_types}}


def links(rule: Rule, links_to: str, rules: Iterable[Rule]) -> Document:
    """Return where an answer leads: what was made to all that has its address, what has an address to its changes.

    A creation returns the id as `id`, which is the last part of the address at `links_to`.
    """
    rules = list(rules)
    if (not links_to and not rule.arguments) or "DELETE" in (rule.methods or ()):
        return {}
    target = next((each.rule for each in rules if each.endpoint == links_to), rule.rule)
    return {
        each.endpoint.rpartition(".")[2]: _link(each, links_to)
        for each in rules
        if each.rule == target and (links_to or "GET" not in (each.methods or ()))
    }


def _link(rule: Rule, links_to: str) -> Document:
    (name,) = rule.arguments
    found: Document = {f"path.{name}": "$response.body#/id" if links_to else f"$request.path.{name}"}
    if "GET" not in (rule.methods or ()):
        found["header.If-Match"] = "$response.header.ETag"
    return {"operationId": re.sub(r"^.*\.", "", rule.endpoint), "parameters": found}
