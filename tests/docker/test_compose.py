"""`docker compose up` from a clean copy: what answers, how it is locked up, how it ends, what it keeps."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator

import pytest

from tests.docker.stacks import TOKEN, Stack, assert_can_do_little, stack_of

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """MySQL and the web service."""
    with stack_of("compose.yaml", tmp_path_factory.mktemp("compose")) as made:
        yield made


def sql(stack: Stack, statement: str) -> str:
    """Return what the database prints of a statement."""
    client = 'MYSQL_PWD="$MYSQL_PASSWORD" mysql --batch --skip-column-names --user="$MYSQL_USER" sakila'
    return stack.compose("exec", "-T", "database", "sh", "-c", f'{client} --execute="{statement}"').strip()


def test_what_the_log_proposes_to_ask_is_answered(stack: Stack) -> None:
    [path] = re.findall(r"Try: curl 'http://[^/]+(/[^']*)'", stack.compose("logs", "web"))

    assert stack.ask(path)[0] == 200


def test_it_is_ready_and_says_so(stack: Stack) -> None:
    assert stack.ask("/readyz")[0] == 200
    assert stack.inspect("web")[0]["State"]["Health"]["Status"] == "healthy"


def test_the_one_shot_service_migrated_seeded_and_ended(stack: Stack) -> None:
    state = stack.inspect("migrate")[0]["State"]

    assert (state["Status"], state["ExitCode"]) == ("exited", 0)


ALTERS = """
import os
import sqlalchemy
engine = sqlalchemy.create_engine(os.environ["DATABASE_URL"].replace("mysql:", "mysql+pymysql:"))
for statement in {statements!r}:
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        print("done")
    except sqlalchemy.exc.DBAPIError as error:
        print(error.orig.args[0])
"""


def test_the_web_service_may_change_rows_and_no_table(stack: Stack) -> None:
    tables = ["ALTER TABLE city ADD COLUMN mayor INT", "CREATE TABLE mine (a INT)", "DROP TABLE city", "TRUNCATE city"]
    others = ["CREATE USER somebody", "SELECT * FROM mysql.user"]
    rows = ["UPDATE city SET city = city WHERE city_id = 1", "DELETE FROM city WHERE city_id = 0"]

    script = ALTERS.format(statements=[*tables, *others, *rows])
    said = stack.compose("exec", "-T", "web", "python", "-c", script).split()

    assert said == ["1142"] * 4 + ["1227", "1142", "done", "done"]


def test_with_a_token_a_city_is_written(stack: Stack) -> None:
    refused, _ = stack.add_city("Composed", "", uuid.uuid4().hex)
    status, added = stack.add_city("Composed", TOKEN, uuid.uuid4().hex)

    assert (refused, status) == (401, 201)
    number = json.loads(added)["id"]
    assert stack.ask("/?city=composed")[1] == f'City "composed" is #{number}\n'
    sql(stack, f"DELETE FROM city WHERE city_id = {number}")


def test_connections_are_encrypted(stack: Stack) -> None:
    assert stack.ask("/readyz")[0] == 200

    by_kind = "SELECT DISTINCT connection_type FROM performance_schema.threads WHERE processlist_host <> 'localhost'"
    client = 'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mysql --batch --skip-column-names --user=root'
    kinds = stack.compose("exec", "-T", "database", "sh", "-c", f'{client} --execute="{by_kind}"')

    assert kinds.split() == ["SSL/TLS"]


@pytest.mark.parametrize("service", ["web", "database", "migrate", "users"])
def test_a_container_can_do_little(stack: Stack, service: str) -> None:
    [container] = stack.inspect(service)

    assert_can_do_little(container)


def test_the_web_process_is_nobody_with_no_capability(stack: Stack) -> None:
    status = stack.compose("exec", "-T", "web", "python", "-c", "print(open('/proc/1/status').read())")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)

    assert fields["Uid"].split() == ["10001"] * 4
    assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert stack.inspect("web")[0]["Config"]["User"] == "10001:10001"


def test_nothing_in_the_image_can_be_written_by_it(stack: Stack) -> None:
    search = "find / -xdev -writable -not -type l -not -path /tmp 2>/dev/null | head; id -u"

    assert stack.compose("exec", "-T", "web", "sh", "-c", search).split() == ["10001"]


def test_only_the_web_port_is_published_and_only_on_this_machine(stack: Stack) -> None:
    assert stack.inspect("database")[0]["HostConfig"]["PortBindings"] in ({}, None)
    assert stack.inspect("web")[0]["HostConfig"]["PortBindings"] == {
        "8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(stack.port)}]
    }


def test_the_grace_period_is_longer_than_gunicorns(stack: Stack) -> None:
    assert stack.inspect("web")[0]["Config"]["StopTimeout"] > 20


def test_the_last_one_down_is_fast_and_up_again_keeps_the_data(stack: Stack) -> None:
    sql(stack, "CREATE TABLE kept (word VARCHAR(20)) SELECT 'still here' AS word")

    began = time.monotonic()
    stack.compose("down")
    took = time.monotonic() - began
    stack.compose("up", "--wait")

    assert took < 10
    assert stack.ask("/readyz")[0] == 200
    assert sql(stack, "SELECT word FROM kept") == "still here"
