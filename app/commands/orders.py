"""`flask drain` and `flask resize`: orders to the server that runs here, and whether its workers have obeyed."""

from __future__ import annotations

import re
from pathlib import Path
from time import monotonic, sleep

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from app.commands.manners import Command, announce
from app.operations import orders
from app.operations.budget import Budget
from app.operations.orders import Order, OrderRefusedError
from app.operations.reports import Report, read_reports
from config import Settings
from serving import run_directory

BOUND_SECONDS = 5.0
"""Workers look for orders every second."""


class OrderError(click.ClickException):
    """An order that was not given, or not obeyed."""


def init_app(app: Flask) -> None:
    """Add both commands."""
    app.cli.add_command(drain_server)
    app.cli.add_command(resize_server)


@click.command("drain", cls=Command, short_help="Have the server that runs here replace all its connections.")
@with_appcontext
def drain_server() -> None:
    """Have every connection replaced that the running server has: idle ones now, those in use when they come back."""
    _give(_directory(), orders.to_drain(), [])


@click.command("resize", cls=Command, short_help="Give a pool of the server that runs here another size.")
@click.argument("pool", type=click.Choice(["reader", "writer"]))
@click.argument("size", metavar="SIZE[+OVERFLOW]")
@with_appcontext
def resize_server(pool: str, size: str) -> None:
    """Give a pool of the running server another size, in each worker, until it is reloaded or started anew."""
    if not (numbers := re.fullmatch(r"([0-9]{1,5})(?:\+([0-9]{1,5}))?", size)):
        raise click.UsageError(f"{size!r} is no SIZE+OVERFLOW such as 12 or 8+4")
    directory = _directory()
    workers = sum(not report.ended for report in read_reports(directory))
    announce("Asking the databases for their limits …")
    try:
        order = orders.to_resize(pool, int(numbers[1]), int(numbers[2] or 0))
        made = orders.room_for(order, orders.read_orders(directory), workers)
    except OrderRefusedError as error:
        raise OrderError(str(error)) from None
    for budget in made:
        if budget.remedy:
            click.secho(f"More than fits: {budget.arithmetic}; {budget.remedy}.", fg="yellow", err=True)
    _give(directory, order, made)


def _directory() -> Path:
    settings: Settings = current_app.extensions["settings"]
    directory = run_directory.of_server(settings.port)
    if directory is None or not any(report.is_alive for report in read_reports(directory)):
        raise OrderError(
            f"no server with PORT={settings.port} runs here; set PORT, or {run_directory.VARIABLE}, as the server has"
        )
    return directory


def _give(directory: Path, order: Order, budgets: list[Budget]) -> None:
    """Give the order, and wait until all have obeyed; raise OrderError."""
    try:
        orders.give(directory, order, budgets)
    except OSError as error:
        raise OrderError(f"{directory}: {error.strerror}; give orders as the user of the server") from None
    ends = monotonic() + BOUND_SECONDS
    while late := [str(report.worker) for report in _to_obey(directory) if report.obeyed.get(order.name) != order.at]:
        if monotonic() > ends:
            raise OrderError(f"no word of worker {', '.join(late)} after {BOUND_SECONDS:g} s; the order stands")
        sleep(0.05)
    number = len(_to_obey(directory))
    click.secho(f"Done by {number} worker{'s' * (number != 1)}: {order}.", fg="green")


def _to_obey(directory: Path) -> list[Report]:
    """Return the reports of those that have not said goodbye, also where they fell silent."""
    return [report for report in read_reports(directory) if not report.ended]
