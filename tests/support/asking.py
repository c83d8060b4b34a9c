"""What tests ask for that want some answer from the database, no matter which."""

from typing import Any

from sqlalchemy import Select, column, select, table

from app.schema import MAIN, TABLES

READS = ["/?city=London", "/api/v1/cities", "/api/v1/cities/1"]
"""Addresses that are answered with 200 after a read; none has a variable part in its route but the last."""

LOOKUP = READS[0]
PATH = LOOKUP.partition("?")[0]

A_ROW: Select[Any] = select(column(TABLES[MAIN])).select_from(table(MAIN)).limit(1)
