"""What the description says of operations that write: token, key, If-Match, body, errors, and where one leads."""

import re
from collections.abc import Sequence

from pydantic import BaseModel
from werkzeug.routing import Rule

from app.bodies import MERGE_PATCH
from app.consistency import HEADER, PATTERN
from app.idempotency import KEY
from app.openapi_schemas import Document, Schemas

SECURITY_SCHEMES = {"token": {"type": "http", "scheme": "bearer", "description": "API_TOKEN"}}
SECURITY: list[dict[str, list[str]]] = [{"token": []}]

OF_ALL = (400, 401, 403, 409, 412, 413, 422)
OF_CHANGES = (428,)
CHANGES = {"PUT", "PATCH", "DELETE"}

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

TOKEN_HEADER: Document = {
    "description": "where reads go to a replica: send it with a read that is to see this write",
    "schema": {"type": "string", "pattern": f"^{PATTERN}$"},
}
BRINGS_TOKEN: Document = {
    "name": HEADER,
    "in": "header",
    "description": "of the answer to a write; another one is as good as none",
    "schema": {"type": "string"},
}


def parameters(rule: Rule) -> list[Document]:
    """Return the headers that a write takes."""
    return [_KEY, _IF_MATCH] if _changes(rule) else [_KEY]


def errors(rule: Rule, *, has_body: bool) -> tuple[int, ...]:
    """Return the statuses with which a write may be refused."""
    of_some = ((404,) if rule.arguments else ()) + ((415, 501) if has_body else ())
    return tuple(sorted(OF_ALL + of_some + (OF_CHANGES if _changes(rule) else ())))


def _changes(rule: Rule) -> bool:
    return not CHANGES.isdisjoint(rule.methods or ())


def request_body(schemas: Schemas, model: type[BaseModel], media_types: tuple[str, ...]) -> Document:
    """Return the description of a body; of a merge patch no field is required."""
    schema = schemas.patch(model) if MERGE_PATCH in media_types else schemas.taken(model)
    return {"required": True, "content": {media_type: {"schema": schema} for media_type in media_types}}


def links(rule: Rule, links_to: str, rules: Sequence[Rule]) -> Document:
    """Return where an answer leads: what was made to all that has its address, what has an address to its changes.

    A creation returns the id as `id`, which is the last part of the address at `links_to`.
    """
    if (not links_to and not rule.arguments) or "DELETE" in (rule.methods or ()):
        return {}
    target = next((each.rule for each in rules if each.endpoint == links_to), rule.rule)
    return {
        each.endpoint.rpartition(".")[2]: _link(each, links_to)
        for each in rules
        if each.rule == target and (links_to or _changes(each))
    }


def _link(rule: Rule, links_to: str) -> Document:
    names = re.findall(r"<(?:\w+:)?(\w+)>", rule.rule)
    found: Document = {f"path.{name}": f"$request.path.{name}" for name in names}
    if links_to:
        found[f"path.{names[-1]}"] = "$response.body#/id"
    if _changes(rule):
        found["header.If-Match"] = "$response.header.ETag"
    return {"operationId": rule.endpoint.rpartition(".")[2], "parameters": found}
