"""The schemas of the description: each model once, in `components`, whatever it is nested in."""

from collections.abc import Iterable
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

Document = dict[str, Any]

PREFIX = "#/components/schemas/"
SHOWN: Final = "serialization"
TAKEN: Final = "validation"
NULL = {"type": "null"}


class Schemas:
    """What goes into `components.schemas`, and how the rest of a document refers to it."""

    def __init__(self, shown: Iterable[type[BaseModel]], taken: Iterable[type[BaseModel]]) -> None:
        """Make the schemas of what answers show and of what is taken from clients, which may differ for one model."""
        inputs: list[tuple[type[BaseModel], Literal["serialization", "validation"]]] = [
            *((model, SHOWN) for model in _ordered(shown)),
            *((model, TAKEN) for model in _ordered(taken)),
        ]
        self._references, found = models_json_schema(inputs, ref_template=PREFIX + "{model}")
        self._all: Document = found.get("$defs", {})

    def shown(self, model: type[BaseModel]) -> Document:
        """Return the reference to a model that an answer shows."""
        return dict(self._references[model, SHOWN])

    def taken(self, model: type[BaseModel]) -> Document:
        """Return the reference to a model that is read from a client."""
        return dict(self._references[model, TAKEN])

    def fields(self, model: type[BaseModel]) -> Document:
        """Return the schema of each field of a model that is read from a client."""
        return dict(self._all[_name(self.taken(model))]["properties"])

    def patch(self, model: type[BaseModel]) -> Document:
        """Return the reference to what a merge patch (RFC 7396) of this model may be: a part of it."""
        return self._patched(self.taken(model))

    def used_in(self, document: object, *models: type[BaseModel]) -> Document:
        """Return the schemas to which a document refers, and those of these models, by name."""
        used: Document = {}
        wanted = [*_named_in(document), *(_name(self.shown(model)) for model in models)]
        while wanted:
            if (name := wanted.pop()) not in used:
                used[name] = self._all[name]
                wanted += _named_in(used[name])
        return dict(sorted(used.items()))

    def _patched(self, schema: Document) -> Document:
        """Return what may stand in a patch where this stands in the whole: objects in part, all else as a whole."""
        if "$ref" in schema:
            return schema | {"$ref": self._part(schema["$ref"])}
        if choices := schema.get("anyOf") or schema.get("oneOf"):
            # Parts of several members may look alike, and need not say of which they are.
            kept = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf", "discriminator")}
            return kept | {"anyOf": [self._patched(choice) for choice in choices]}
        if isinstance(values := schema.get("additionalProperties"), dict):
            return schema | {"additionalProperties": self._removable(values)}
        return schema

    def _part(self, reference: str) -> str:
        whole = self._all[reference.removeprefix(PREFIX)]
        if "properties" not in whole:
            return reference
        # No model has a name with a hyphen; pydantic adds one where what is taken and what is shown differ.
        name = f"{reference.removeprefix(PREFIX).removesuffix('-Input')}-Patch"
        if name not in self._all:
            self._all[name] = {}  # for one that contains itself
            required = whole.get("required", ())
            kept = {key: value for key, value in whole.items() if key not in ("required", "title")}
            self._all[name] = kept | {
                "properties": {
                    field: self._patched(schema) if field in required else self._removable(schema)
                    for field, schema in whole["properties"].items()
                }
            }
        return PREFIX + name

    def _removable(self, schema: Document) -> Document:
        """Return the same, or null: it takes away what need not be there. What is not there stays as it is."""
        kept = {key: value for key, value in self._patched(schema).items() if key != "default"}
        said = {key: kept.pop(key) for key in ("title", "description") if key in kept}
        choices = kept["anyOf"] if list(kept) == ["anyOf"] else [kept]
        return said | {"anyOf": [*choices, NULL] if NULL not in choices else choices}


def _ordered(models: Iterable[type[BaseModel]]) -> list[type[BaseModel]]:
    return sorted(set(models), key=lambda model: (model.__name__, model.__module__))


def _name(reference: Document) -> str:
    return str(reference["$ref"]).removeprefix(PREFIX)


def _named_in(document: object) -> list[str]:
    """Return the names of the schemas to which a document refers."""
    if isinstance(document, dict):
        # A discriminator leads to its schemas without $ref.
        own = [value for value in document.values() if isinstance(value, str) and value.startswith(PREFIX)]
        return [_name({"$ref": each}) for each in own] + [
            name for value in document.values() for name in _named_in(value)
        ]
    return [name for each in document for name in _named_in(each)] if isinstance(document, list) else []
