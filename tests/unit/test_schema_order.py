"""In which order tables can be dropped: by what they refer to, whatever order they are named in."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table

from app import schema
from app.schema import children_first


@pytest.mark.parametrize("named", [("shelf", "book", "loan"), ("loan", "shelf", "book")])
def test_what_refers_to_others_comes_before_them(monkeypatch: pytest.MonkeyPatch, named: tuple[str, ...]) -> None:
    metadata = MetaData()
    for name, parent in (("book", "shelf"), ("loan", "book"), ("shelf", None), ("somebody_elses", None)):
        parents = [Column("parent_id", Integer, ForeignKey(f"{parent}.id"))] if parent else []
        Table(name, metadata, Column("id", Integer, primary_key=True), *parents)
    monkeypatch.setattr(schema, "TABLES", dict.fromkeys(named, "id"))

    assert children_first(metadata.tables.values()) == ["loan", "book", "shelf"]
