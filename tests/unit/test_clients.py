"""The load client: what it notes of each request, when its threads ask and when they do not."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from testkit.clients import Clients, Question, QuestionKind
from testkit.kept_alive import NOT_BEGUN, KeptAlive
from testkit.waiting import eventually

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright"


class Way:
    """Answers what it is told, as soon as it may."""

    def __init__(self, *answers: tuple[int, str] | Exception) -> None:
        self.answers, self.may, self.is_closed = list(answers), threading.Event(), False
        self.may.set()

    def ask(self, question: Question) -> tuple[int, str]:
        self.may.wait(5)
        told = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(told, Exception):
            raise told
        return told

    def close(self) -> None:
        self.is_closed = True


def choose(number: int, _: random.Random) -> Question:
    return Question(f"/{number}", right="right")


def test_every_answer_is_noted_with_its_time_and_judged() -> None:
    way = Way((200, "right\n"), (200, "wrong"), (503, "away"), (404, "unknown"), OSError("gone"))
    clients = Clients(lambda: way, pause=(0.001, 0.001))

    with clients.asking(1, choose):
        assert eventually(lambda: len(clients.answers) > 4)

    first, *others = clients.answers
    assert (first.status, first.text, first.is_wrong) == (200, "right\n", False)
    assert [each.is_wrong for each in others[:3]] == [True, False, True]
    assert (others[3].status, others[3].text) == (0, "OSError('gone')")
    assert isinstance(others[3].error, OSError)
    assert clients.statuses[503] == 1
    assert 0 <= first.seconds <= clients.slowest < 1
    assert way.is_closed


def test_what_has_no_answer_yet_is_seen_and_waited_for() -> None:
    way = Way((200, "right"))
    way.may.clear()
    clients = Clients(lambda: way)

    group = clients.begin(2, choose)
    assert eventually(lambda: len(clients.requests) == 2)
    group.end()

    assert clients.answers == []
    assert group.wait(0.05) == 2
    way.may.set()
    assert group.wait(1) == 0
    assert [answer.question.path for answer in clients.answers] == ["/0", "/1"]


def test_who_asks_once_asks_once() -> None:
    clients = Clients(lambda: Way((200, "right")))

    assert clients.begin(8, choose, once=True).wait(1) == 0

    assert len(clients.answers) == 8


def test_nobody_asks_while_all_rest() -> None:
    clients = Clients(lambda: Way((200, "right")), pause=(0.001, 0.002))
    group = clients.begin(4, choose)

    clients.rest()
    time.sleep(0.05)
    before = len(clients.requests)
    time.sleep(0.05)
    assert len(clients.requests) == before

    clients.go_on()
    assert eventually(lambda: len(clients.requests) > before)
    clients.rest()
    clients.end()
    assert group.wait(1) == 0


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """Answer on each connection as often as it is told, and then close it; return the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def start(*times: int, reads_on: bool = False) -> int:
            threading.Thread(target=talk, args=(times, reads_on), daemon=True).start()
            return int(listener.getsockname()[1])

        def talk(times: tuple[int, ...], reads_on: bool) -> None:
            for number in times:
                client, _ = listener.accept()
                with closing(client):
                    for _ in range(number):
                        client.recv(4096)
                        client.sendall(ANSWER)
                    if reads_on:
                        client.recv(4096)

        yield start


def test_a_connection_that_was_dropped_is_replaced_before_it_is_used(serve: Callable[..., int]) -> None:
    way = KeptAlive(serve(1, 1), seconds=5)
    question = Question("/", kind="write")

    assert way.ask(question) == (200, "right")
    time.sleep(0.1)
    assert way.ask(question) == (200, "right")
    way.close()


def test_a_read_that_meets_a_closing_connection_is_sent_once_more(serve: Callable[..., int]) -> None:
    way = KeptAlive(serve(1, 1, reads_on=True), seconds=5)

    assert way.ask(Question("/")) == (200, "right")
    assert way.ask(Question("/")) == (200, "right")
    way.close()


@pytest.mark.parametrize("kind", ["read", "write"])
def test_what_nobody_begins_to_answer_is_an_error(serve: Callable[..., int], kind: QuestionKind) -> None:
    way = KeptAlive(serve(0, reads_on=True), seconds=5)

    with pytest.raises(NOT_BEGUN):
        way.ask(Question("/", kind=kind))


def test_a_write_that_meets_a_closing_connection_is_not_sent_again(serve: Callable[..., int]) -> None:
    way = KeptAlive(serve(1, 1, reads_on=True), seconds=5)
    question = Question("/", kind="write")

    assert way.ask(question) == (200, "right")
    with pytest.raises(NOT_BEGUN):
        way.ask(question)
