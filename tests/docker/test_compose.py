"""`docker compose up` from a clean copy: what answers, how it is locked up, how it ends, what it keeps."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config import ROOT
from testkit.leaving_out import leave_out
from testkit.servers import MissingError
from tests.serve.serving import free_port
from tests.support.copies import LEFT_BEHIND

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


TOKEN = "a-token-for-the-tests-alone"


class Stack:
    """One copy of the project and the containers made from it."""

    def __init__(self, tree: Path) -> None:
        self.tree, self.port = tree, free_port()
        self.project = f"test{uuid.uuid4().hex[:8]}"

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Return what docker compose printed."""
        ended = subprocess.run(
            ["docker", "compose", "-p", self.project, *arguments],
            cwd=self.tree,
            env={**os.environ, "PORT": str(self.port), "API_TOKEN": TOKEN},
            capture_output=True,
            text=True,
            timeout=400,
        )
        if check and ended.returncode:
            logs = "" if "logs" in arguments else self.compose("logs", "--tail=40", check=False)
            raise AssertionError(f"docker compose {' '.join(arguments)}:\n{ended.stdout}{ended.stderr}{logs}")
        return ended.stdout

    def inspect(self, service: str) -> dict[str, Any]:
        container = self.compose("ps", "--all", "--quiet", service).strip()
        shown = subprocess.run(["docker", "inspect", container], capture_output=True, check=True)
        seen: dict[str, Any] = json.loads(shown.stdout)[0]
        return seen

    def ask(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def sql(self, statement: str) -> str:
        client = 'MYSQL_PWD="$MYSQL_PASSWORD" mysql --batch --skip-column-names --user="$MYSQL_USER" sakila'
        return self.compose("exec", "-T", "database", "sh", "-c", f'{client} --execute="{statement}"').strip()


def engine_missing() -> str:
    try:
        ended = subprocess.run(["docker", "compose", "version"], capture_output=True, timeout=20)
        ended = ended if ended.returncode else subprocess.run(["docker", "info"], capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return ended.stderr.decode().strip() if ended.returncode else ""


def require_engine() -> None:
    """Leave the test out, or fail it where all is required, without Docker."""
    if reason := engine_missing():
        leave_out("a Docker Engine with Compose v2", MissingError(reason))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The services, up, from a copy without environment, database and settings."""
    require_engine()
    tree = tmp_path_factory.mktemp("compose") / "clone"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*LEFT_BEHIND))
    made = Stack(tree)
    try:
        made.compose("up", "--wait", "--build")
        yield made
    finally:
        made.compose("down", "--volumes", "--rmi", "local", "--timeout", "5", check=False)


def test_what_the_log_proposes_to_ask_is_answered(stack: Stack) -> None:
    [path] = re.findall(r"Try: curl 'http://[^/]+(/[^']*)'", stack.compose("logs", "web"))

    assert stack.ask(path)[0] == 200


def test_it_is_ready_and_says_so(stack: Stack) -> None:
    assert stack.ask("/readyz")[0] == 200
    assert stack.inspect("web")["State"]["Health"]["Status"] == "healthy"


def test_the_one_shot_service_migrated_seeded_and_ended(stack: Stack) -> None:
    state = stack.inspect("migrate")["State"]

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
    body = json.dumps({"name": "Composed", "country_id": 1}).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
    request = urllib.request.Request(f"http://127.0.0.1:{stack.port}/api/v1/cities", body, headers)

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    refused.value.close()
    request.add_header("Authorization", f"Bearer {TOKEN}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        added = json.load(answer)

    assert refused.value.code == 401
    assert answer.status == 201
    assert stack.ask("/?city=composed")[1] == f'City "composed" is #{added["id"]}\n'
    stack.sql(f"DELETE FROM city WHERE city_id = {added['id']}")


def test_connections_are_encrypted(stack: Stack) -> None:
    assert stack.ask("/readyz")[0] == 200

    by_kind = "SELECT DISTINCT connection_type FROM performance_schema.threads WHERE processlist_host <> 'localhost'"
    client = 'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mysql --batch --skip-column-names --user=root'
    kinds = stack.compose("exec", "-T", "database", "sh", "-c", f'{client} --execute="{by_kind}"')

    assert kinds.split() == ["SSL/TLS"]


@pytest.mark.parametrize("service", ["web", "database", "migrate", "users"])
def test_a_container_can_do_little(stack: Stack, service: str) -> None:
    host = stack.inspect(service)["HostConfig"]

    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    assert host["Privileged"] is False


def test_the_web_process_is_nobody_with_no_capability(stack: Stack) -> None:
    status = stack.compose("exec", "-T", "web", "python", "-c", "print(open('/proc/1/status').read())")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)

    assert fields["Uid"].split() == ["10001"] * 4
    assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert stack.inspect("web")["Config"]["User"] == "10001:10001"


def test_nothing_in_the_image_can_be_written_by_it(stack: Stack) -> None:
    search = "find / -xdev -writable -not -type l -not -path /tmp 2>/dev/null | head; id -u"

    assert stack.compose("exec", "-T", "web", "sh", "-c", search).split() == ["10001"]


def test_only_the_web_port_is_published_and_only_on_this_machine(stack: Stack) -> None:
    assert stack.inspect("database")["HostConfig"]["PortBindings"] in ({}, None)
    assert stack.inspect("web")["HostConfig"]["PortBindings"] == {
        "8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(stack.port)}]
    }


def test_the_grace_period_is_longer_than_gunicorns(stack: Stack) -> None:
    assert stack.inspect("web")["Config"]["StopTimeout"] > 20


def test_the_last_one_down_is_fast_and_up_again_keeps_the_data(stack: Stack) -> None:
    stack.sql("CREATE TABLE kept (word VARCHAR(20)) SELECT 'still here' AS word")

    began = time.monotonic()
    stack.compose("down")
    took = time.monotonic() - began
    stack.compose("up", "--wait")

    assert took < 10
    assert stack.ask("/readyz")[0] == 200
    assert stack.sql("SELECT word FROM kept") == "still here"
