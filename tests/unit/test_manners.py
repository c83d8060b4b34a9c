"""What all commands have in common: colour for those who want it, and an end in good order after a signal."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any

import click
import pymysql
import pytest
from click.testing import CliRunner
from sqlalchemy.exc import ArgumentError, OperationalError, StatementError

from app.commands.manners import Command, interruptible
from steadypool import DatabaseDownError, PoolExhaustedError


@click.command(cls=Command)
def green() -> None:
    click.secho("done", fg="green")


def ended_by(number: signal.Signals) -> click.Command:
    @click.command(cls=Command)
    def command() -> None:
        signal.raise_signal(number)

    return command


@pytest.mark.parametrize(("value", "shown"), [("", "\x1b[32mdone\x1b[0m\n"), ("1", "done\n"), ("0", "done\n")])
def test_no_color_with_any_value_turns_colours_off(monkeypatch: pytest.MonkeyPatch, value: str, shown: str) -> None:
    monkeypatch.setenv("NO_COLOR", value)

    assert CliRunner().invoke(green, color=True).output == shown


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_with_its_own_exit_code_and_one_line(number: signal.Signals, exit_code: int) -> None:
    result = CliRunner().invoke(ended_by(number))

    assert result.exit_code == exit_code
    assert result.stderr == "Error: interrupted; to run it again does no harm.\n"


def raising(error: Exception) -> click.Command:
    @click.command(cls=Command)
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OperationalError(None, None, pymysql.err.OperationalError(1142, "INSERT denied")), "refuses: (1142, 'INSERT"),
        (OperationalError(None, None, pymysql.err.OperationalError(2013, "Lost")), "cannot be reached: (2013, 'Lost')"),
        (PoolExhaustedError("all 2 connections are in use"), "all 2 connections are in use"),
        (StatementError("while replacing a connection", None, None, DatabaseDownError("it is down")), "it is down"),
    ],
)
def test_what_the_database_says_ends_any_command_in_one_line(error: Exception, said: str) -> None:
    result = CliRunner().invoke(raising(error))

    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


def test_a_mistake_of_the_program_keeps_its_traceback() -> None:
    error = ArgumentError("no such thing")

    assert CliRunner().invoke(raising(error)).exception is error


def test_what_the_pool_logs_meanwhile_is_not_said_twice(caplog: pytest.LogCaptureFixture) -> None:
    @click.command(cls=Command)
    def failing() -> None:
        for name in ("steadypool.core.breaker", "sqlalchemy.pool.impl.QueuePool"):
            logging.getLogger(name).error("database down")
        raise click.ClickException("the database cannot be reached")

    result = CliRunner().invoke(failing)
    logging.getLogger("steadypool.core.breaker").error("afterwards")

    assert result.stderr == "Error: the database cannot be reached\n"
    assert caplog.messages == ["afterwards"]


@pytest.mark.parametrize("before", [signal.SIG_IGN, signal.SIG_DFL, lambda *_: None])
def test_what_signals_did_before_they_do_again_afterwards(ctrl_c: None, before: Any) -> None:
    terminated = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGINT, before)

    with interruptible():
        assert signal.getsignal(signal.SIGTERM) is not terminated
        # A shell that starts a command in the background has it ignore Ctrl-C, and so it stays.
        expected = before if before is signal.SIG_IGN else signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) is expected

    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == (before, terminated)


def test_outside_the_main_thread_a_command_runs_as_well() -> None:
    results = []
    thread = threading.Thread(target=lambda: results.append(CliRunner().invoke(green)))

    thread.start()
    thread.join()

    assert results[0].output == "done\n"
