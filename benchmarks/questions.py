"""What an application over many cities is asked for, and what the server does for the answer."""

from __future__ import annotations

import http.client
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, bindparam, make_url, text

from testkit.databases import Database
from testkit.fault_servers import FaultServer

NAMES, PREFIXES, LIMIT = 5000, 300, 20


def questions_about(connection: Connection, cities: int) -> dict[str, dict[str, str]]:
    """Return paths with their right answers: names of random cities, and prefixes of those."""
    ids = random.Random(cities).sample(range(1, cities + 1), min(cities, NAMES))
    found = connection.execute(LOWEST, {"ids": ids}).all()
    lookups = {f"/?city={quote(city)}": f'City "{city}" is #{lowest}\n' for city, _, lowest in found}
    prefixes = dict.fromkeys(quote(key[:3]) for _, key, _ in found)
    searches = {f"/api/v1/cities?prefix={prefix}&limit={LIMIT}": "" for prefix in list(prefixes)[:PREFIXES]}
    return {"lookup": lookups, "prefix": searches}


LOWEST = text("""
    SELECT city, city_key, (SELECT min(city_id) FROM city AS namesake WHERE namesake.city_key = city.city_key)
    FROM city WHERE city_id IN :ids
""").bindparams(bindparam("ids", expanding=True))


def write(file: Path, asked: dict[str, str]) -> Path:
    """Write them as wrk wants them, a path and its right answer in a line."""
    file.write_text("".join(f"{path}\t{answer}" for path, answer in asked.items()), encoding="utf-8")
    return file


def ask(port: int, path: str) -> str:
    """Return the answer, ended by one newline, as wrk is told it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode()
    finally:
        connection.close()
    if answer.status != 200:
        raise SystemExit(f"{path} was answered with {answer.status}: {body}")
    return body.rstrip("\n") + "\n"


def explained(server: FaultServer, database: Database, port: int, kind: str, path: str) -> dict[str, Any]:
    """Return by which index the statement goes that the application sends, and how many rows the server reads."""
    sql = _sent(server, lambda: ask(port, path))
    server.admin(f"USE {make_url(database.url).database}")
    plan = {step[2]: step[5] for step in server.admin(f"EXPLAIN {sql}")}  # table and key
    before, after_asking = _rows_read(server), _rows_read(server)
    server.admin(sql)
    read = _rows_read(server) - after_asking - (after_asking - before)
    return {f"{kind}_index": plan["city"], f"{kind}_read": read, f"{kind}_sql": sql}


def _sent(server: FaultServer, work: Callable[[], object]) -> str:
    """Return the SELECT that reached the server meanwhile."""
    server.admin("SET GLOBAL log_output = 'TABLE'")
    server.admin("TRUNCATE mysql.general_log")
    server.admin("SET GLOBAL general_log = ON")
    work()
    server.admin("SET GLOBAL general_log = OFF")
    statements = [str(row[0]) for row in server.admin("SELECT argument FROM mysql.general_log ORDER BY event_time")]
    return [sql for sql in statements if sql.startswith("SELECT") and "FROM city" in sql][-1]


def _rows_read(server: FaultServer) -> int:
    """Return how many rows this session has read so far; asking reads some itself, as many each time."""
    return sum(int(value) for _, value in server.admin("SHOW SESSION STATUS LIKE 'Handler_read_%'"))
