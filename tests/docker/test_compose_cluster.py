"""`docker compose -f compose.cluster.yaml up`: who answers, who writes, and what becomes of it when nodes fail."""

from __future__ import annotations

import re
import subprocess
import uuid
from collections.abc import Iterator

import pytest

from testkit.containers import MARIADB118_IMAGE
from testkit.waiting import eventually
from tests.docker.stacks import TOKEN, Stack, assert_can_do_little, stack_of

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

NODES = ["node1", "node2", "node3"]
SECONDS = 90
"""For what takes a few: this machine may be busy."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole cluster."""
    with stack_of("compose.cluster.yaml", tmp_path_factory.mktemp("cluster")) as made:
        yield made


def sql(stack: Stack, node: str, statement: str) -> str:
    """Return what a node says, past HAProxy; empty where it does not."""
    client = 'MYSQL_PWD="$MARIADB_ROOT_PASSWORD" mariadb --no-defaults --socket=/run/mysqld/mysqld.sock --user=root'
    command = f'{client} --batch --skip-column-names --execute="{statement}"'
    return stack.compose("exec", "-T", node, "sh", "-c", command, check=False).strip()


NAMES = """
import os
import sqlalchemy
url = os.environ[{variable!r}].replace("mariadb:", "mariadb+pymysql:")
engine = sqlalchemy.create_engine(url, pool_size=12)
connections = [engine.connect() for _ in range(12)]
print(*sorted({{each.exec_driver_sql("SELECT @@wsrep_node_name").scalar() for each in connections}}))
"""


def nodes_behind(stack: Stack, variable: str) -> list[str]:
    """Return the nodes that a web instance meets on twelve connections to an address of its; none if one fails."""
    script = NAMES.format(variable=variable)
    return stack.compose("exec", "-T", "web", "python", "-c", script, check=False).split()


def start(stack: Stack, *nodes: str) -> None:
    """Start what was killed, and only that: users and tables are there."""
    stack.compose("up", "--wait", "--no-deps", *nodes)


def routes(stack: Stack, node: str, script: str) -> None:
    """Change where a node's packets go, from a container beside it on the same network card."""
    [container] = stack.inspect(node)
    beside = ["docker", "run", "--rm", "--network", f"container:{container['Id']}", "--cap-add", "NET_ADMIN"]
    subprocess.run([*beside, "--entrypoint", "sh", MARIADB118_IMAGE, "-c", script], check=True, timeout=120)


def writer(stack: Stack) -> str:
    assert eventually(lambda: len(nodes_behind(stack, "DATABASE_URL")) == 1, SECONDS)
    [found] = nodes_behind(stack, "DATABASE_URL")
    return found


def assert_a_city_can_be_added_to_all(stack: Stack, name: str, nodes: list[str]) -> None:
    """Add it as a client has to: again and again with the same key, until there is an answer."""
    key = uuid.uuid4().hex
    assert eventually(lambda: stack.add_city(name, TOKEN, key)[0] == 201, SECONDS)
    count = f"SELECT COUNT(*) FROM sakila.city WHERE city = '{name}'"
    for node in nodes:
        assert eventually(lambda: sql(stack, node, count) == "1", SECONDS)  # noqa: B023 -- called at once


def test_each_instance_answers_through_the_proxy(stack: Stack) -> None:
    def who_answered() -> set[str]:
        stack.ask("/?city=London")
        return set(re.findall(r'^(web-\d).*"path": "/"', stack.compose("logs", "--no-color", "web"), re.MULTILINE))

    assert eventually(lambda: stack.ask("/?city=London") == (200, 'City "London" is #312\n'), SECONDS)
    assert eventually(lambda: who_answered() == {"web-1", "web-2"}, SECONDS)


def test_what_is_written_is_on_every_node(stack: Stack) -> None:
    assert stack.add_city("Refused", "", uuid.uuid4().hex)[0] == 401
    assert_a_city_can_be_added_to_all(stack, "Everywhere", NODES)


def test_one_node_takes_the_writes_and_all_are_read_from(stack: Stack) -> None:
    assert eventually(lambda: nodes_behind(stack, "DATABASE_READ_URL") == NODES, SECONDS)
    assert writer(stack) in NODES


@pytest.mark.parametrize("service", [*NODES, "users", "haproxy", "migrate", "web", "proxy"])
def test_a_container_can_do_little_and_only_the_proxy_is_published(stack: Stack, service: str) -> None:
    containers = stack.inspect(service)

    assert len(containers) == (2 if service == "web" else 1)
    for container in containers:
        assert_can_do_little(container)
        published = {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(stack.port)}]} if service == "proxy" else {}
        assert (container["HostConfig"]["PortBindings"] or {}) == published


def test_a_node_that_has_lost_its_cluster_is_read_from_no_more_and_again_when_it_is_back(stack: Stack) -> None:
    """It lets everybody in all the time; so a login would not tell."""
    lost = next(node for node in reversed(NODES) if node != writer(stack))
    others = [node for node in NODES if node != lost]

    blackhole = "ip route add blackhole $(getent hosts $node | cut -d' ' -f1)"
    routes(stack, lost, f"for node in {' '.join(others)}; do {blackhole}; done")
    assert eventually(lambda: "non-Primary" in sql(stack, lost, "SHOW STATUS LIKE 'wsrep_cluster_status'"), SECONDS)
    assert eventually(lambda: nodes_behind(stack, "DATABASE_READ_URL") == others, SECONDS)
    assert_a_city_can_be_added_to_all(stack, "Without", others)

    routes(stack, lost, "ip route flush type blackhole")
    assert eventually(lambda: nodes_behind(stack, "DATABASE_READ_URL") == NODES, SECONDS)
    assert_a_city_can_be_added_to_all(stack, "With", NODES)


def test_a_killed_writer_is_replaced_and_comes_back_as_one_of_the_others(stack: Stack) -> None:
    killed = writer(stack)
    others = [node for node in NODES if node != killed]

    stack.compose("kill", killed)
    assert_a_city_can_be_added_to_all(stack, "Replaced", others)
    new = writer(stack)
    start(stack, killed)

    assert new in others
    assert eventually(lambda: nodes_behind(stack, "DATABASE_READ_URL") == NODES, SECONDS)
    assert writer(stack) == new
    assert_a_city_can_be_added_to_all(stack, "Returned", NODES)


def test_after_a_crash_of_all_nodes_they_find_each_other(stack: Stack) -> None:
    stack.compose("kill", *NODES)
    start(stack, *NODES)

    assert_a_city_can_be_added_to_all(stack, "Recovered", NODES)


def test_after_a_stop_in_which_nobody_was_the_last_they_find_each_other(stack: Stack) -> None:
    """As when all are stopped at once, or the last two: nobody had a majority then, so nobody is safe to begin."""
    assert_a_city_can_be_added_to_all(stack, "Before", NODES)

    subprocess.run(["docker", "stop", *(stack.inspect(node)[0]["Id"] for node in NODES)], check=True, timeout=200)
    for node in NODES:
        unsafe = ["-i", "s/safe_to_bootstrap: 1/safe_to_bootstrap: 0/", "/var/lib/mysql/grastate.dat"]
        stack.compose("run", "--rm", "--no-deps", "--user", "mysql", "--entrypoint", "sed", node, *unsafe)
    start(stack, *NODES)

    for node in NODES:
        assert sql(stack, node, "SELECT COUNT(*) FROM sakila.city WHERE city = 'Before'") == "1"
    assert_a_city_can_be_added_to_all(stack, "After", NODES)


def test_a_first_node_without_its_data_begins_no_new_cluster(stack: Stack) -> None:
    """All others would give up their data for those of the new one."""
    assert_a_city_can_be_added_to_all(stack, "Precious", NODES)

    stack.compose("down")
    subprocess.run(["docker", "volume", "rm", f"{stack.project}_node1"], check=True)
    stack.compose("up", "--detach", "--no-deps", "node1")
    stack.compose("up", "--detach", "--no-deps", "node2", "node3")
    assert eventually(lambda: "memb {" in stack.compose("logs", "node1"), SECONDS), "it meets the others"
    stack.compose("stop")
    # As docs/deploy.md has it for those who wait for ever.
    safe = ["-i", "s/safe_to_bootstrap: 0/safe_to_bootstrap: 1/", "/var/lib/mysql/grastate.dat"]
    stack.compose("run", "--rm", "--no-deps", "--user", "mysql", "--entrypoint", "sed", "node2", *safe)
    stack.compose("up", "--wait")

    assert eventually(lambda: stack.ask("/?city=Precious")[0] == 200, SECONDS)
    assert_a_city_can_be_added_to_all(stack, "Kept by others", NODES)


def test_the_last_one_down_and_up_again_keeps_the_data_and_nothing_is_left_in_the_end(stack: Stack) -> None:
    assert_a_city_can_be_added_to_all(stack, "Kept", NODES)

    stack.compose("down")
    stack.compose("up", "--wait")

    for node in NODES:
        assert sql(stack, node, "SELECT COUNT(*) FROM sakila.city WHERE city = 'Kept'") == "1"

    stack.compose("down", "--volumes", "--timeout", "5")
    of_ours = f"label=com.docker.compose.project={stack.project}"
    for kind in (["ps", "--all"], ["network", "ls"], ["volume", "ls"]):
        assert subprocess.check_output(["docker", *kind, "--quiet", "--filter", of_ours]) == b""
