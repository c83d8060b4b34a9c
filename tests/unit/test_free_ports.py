"""Two processes that start servers at the same time are given different ports."""

from __future__ import annotations

import subprocess
import sys

from testkit import ROOT
from testkit.processes import EACH, PORTS, free_port


def test_each_process_has_ports_of_its_own() -> None:
    program = "from testkit.processes import free_port; print(free_port(), flush=True); input()"
    command = [sys.executable, "-c", program]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    running = [subprocess.Popen(command, **pipes) for _ in range(3)]  # type: ignore[call-overload] # a dict of options
    theirs = [int(each.stdout.readline()) for each in running]
    ours = [free_port() for _ in range(3)]
    for each in running:
        each.communicate("\n")

    assert len({port // EACH for port in [*theirs, ours[0]]}) == 4
    assert {*theirs, *ours} <= set(PORTS)


def test_none_is_given_out_twice_before_all_others() -> None:
    assert len({free_port() for _ in range(50)}) == 50
