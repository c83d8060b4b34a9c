"""What all commands have in common: colour for those who want it, and an end in good order after a signal."""

from __future__ import annotations

import signal
import threading

import click
import pytest
from click.testing import CliRunner

from app.commands.manners import Command, sigterm_as_ctrl_c


@click.command(cls=Command)
def green() -> None:
    click.secho("done", fg="green")


def ended_by(number: signal.Signals) -> click.Command:
    @click.command(cls=Command)
    def command() -> None:
        signal.raise_signal(number)

    return command


@pytest.mark.parametrize(("value", "shown"), [("", "\x1b[32mdone\x1b[0m\n"), ("1", "done\n"), ("0", "done\n")])
def test_no_color_with_any_value_turns_colours_off(monkeypatch: pytest.MonkeyPatch, value: str, shown: str):
    monkeypatch.setenv("NO_COLOR", value)

    assert CliRunner().invoke(green, color=True).output == shown


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_with_its_own_exit_code_and_one_line(number: signal.Signals, exit_code: int):
    result = CliRunner().invoke(ended_by(number))

    assert result.exit_code == exit_code
    assert result.stderr == "Error: interrupted; to run it again does no harm.\n"


def test_what_sigterm_did_before_it_does_again_afterwards():
    before = signal.getsignal(signal.SIGTERM)

    with sigterm_as_ctrl_c():
        assert signal.getsignal(signal.SIGTERM) is not before

    assert signal.getsignal(signal.SIGTERM) is before


def test_outside_the_main_thread_a_command_runs_as_well():
    results = []
    thread = threading.Thread(target=lambda: results.append(CliRunner().invoke(green)))

    thread.start()
    thread.join()

    assert results[0].output == "done\n"
