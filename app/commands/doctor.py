"""`flask doctor`: a line for each thing that must be right, and what to do where it is not. It changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from time import monotonic, perf_counter

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy import Connection, Engine

from app.commands import remedies
from app.commands.checks import CHECKS
from app.commands.findings import Finding, Level
from app.commands.lagging import check_lag
from app.commands.manners import Command, announce
from app.extensions import db
from app.operations.budget import Budget, Fleet, Terms, budgets, surprises, terms_of
from app.operations.limits import Seen, has_limits, look
from config import Settings
from steadypool import Role, deadline, start_thread

BOUND_SECONDS = 5.0
LEVELS: tuple[Level, ...] = ("ok", "not checked", "warning", "problem")
COLOURS: dict[Level, str] = {"ok": "green", "not checked": "yellow", "warning": "yellow", "problem": "red"}
EXIT_CODES: dict[Level, int] = {"ok": 0, "not checked": 1, "warning": 1, "problem": 2}
PRODUCTS = {"mysql": "MySQL", "mariadb": "MariaDB", "postgresql": "PostgreSQL", "sqlite": "SQLite"}
NOT_CHECKED = Finding("not checked", "the database was not reached")


@dataclass
class Visit:
    """What one look at one database has found so far."""

    role: Role
    engine: Engine
    findings: dict[str, Finding] = field(default_factory=dict)
    seen: Seen | None = None


@click.command("doctor", cls=Command, short_help="Hold settings and databases against each other.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
@with_appcontext
def command(context: click.Context, as_json: bool) -> None:
    """Check settings, databases and what they have to do with each other; exit 0 ok, 1 warnings, 2 problems."""
    settings: Settings = current_app.extensions["settings"]
    announce("Asking both databases …")
    lines = examine(settings)
    worst = max((finding.level for finding in lines.values()), key=LEVELS.index)
    click.echo(_as_json(lines, worst) if as_json else _as_text(lines))
    context.exit(EXIT_CODES[worst])


def examine(settings: Settings) -> dict[str, Finding]:
    """Return the finding of each line, in their order; takes five seconds at the most, whatever the databases do."""
    visits = [Visit("reader", db.engines["reader"]), Visit("writer", db.engine)]
    # Daemons: a driver that waits for a deaf server must not keep the command from ending.
    ends = monotonic() + BOUND_SECONDS
    threads = [start_thread("doctor", _visit, visit, settings) for visit in visits]
    for thread in threads:
        thread.join(max(0.0, ends - monotonic()))
    lines = {"settings": _settings(settings)}
    for visit in visits:
        said = f"no answer within {BOUND_SECONDS:g} s"
        silent = Finding("problem", said, _remedy(TimeoutError(said), visit.role, settings))
        lines[visit.role] = visit.findings.get("reachable", silent)
    lines |= {name: _merged(name, visits) for name in CHECKS}
    lines["threads"] = judge_threads(settings)
    lines["budget"], lines["instances"] = _budget(settings, visits)
    are_there = all(visit.seen is not None for visit in visits)
    lines["lag"] = check_lag(settings, ends) if are_there else NOT_CHECKED
    return lines


def _visit(visit: Visit, settings: Settings) -> None:
    """Fill in what is found, step by step: what came before a silence counts."""
    started = perf_counter()
    try:
        with deadline.within(BOUND_SECONDS), visit.engine.connect() as connection:
            visit.findings["reachable"] = Finding("ok", _answered(connection, perf_counter() - started))
            for name, check in CHECKS.items():
                try:
                    visit.findings[name] = check(connection, settings, visit.role)
                except Exception as error:
                    said = f"could not be found out: {_said(error, settings)}"
                    visit.findings[name] = Finding("warning", said, "mend what else is wrong, then ask again")
                connection.rollback()
            visit.seen = look(connection)
    except Exception as error:
        visit.findings.setdefault(
            "reachable", Finding("problem", _said(error, settings), _remedy(error, visit.role, settings))
        )
    finally:
        visit.engine.dispose()


def _answered(connection: Connection, seconds: float) -> str:
    url, dialect = connection.engine.url, connection.dialect
    product = PRODUCTS["mariadb" if getattr(dialect, "is_mariadb", False) else url.get_backend_name()]
    version = ".".join(map(str, (dialect.server_version_info or ())[:3]))
    where = f" at {url.host or 'localhost'}/{url.database}" if has_limits(url) else ""
    return f"{product} {version}{where} answered in {seconds * 1000:.0f} ms"


def _said(error: Exception, settings: Settings) -> str:
    """Return the first line of what the driver said, without any password."""
    first, urls = remedies.said(error), (settings.database_url, settings.database_read_url)
    secret = "|".join(re.escape(str(url.password)) for url in urls if url.password)
    # Somebody's password may be in somebody's name, which is told between quotes.
    names = "|".join(re.escape(str(url.username)) for url in urls if url.username)
    return re.sub(rf"(['\"](?:{names})['\"])|{secret}", lambda found: found[1] or "***", first) if secret else first


def _remedy(error: Exception, role: Role, settings: Settings) -> str:
    remedy = remedies.remedy(error) or "it answered: see to what it says"
    if remedy.startswith(remedies.LOGIN) and settings.database_tls == "off":
        remedy += "; a user who has to use TLS wants a DATABASE_TLS that is not off"
    return remedy.format(name="DATABASE_READ_URL or DATABASE_URL" if role == "reader" else "DATABASE_URL")


def _merged(name: str, visits: Iterable[Visit]) -> Finding:
    """Return one finding for both databases: the worse level, and both texts where they differ."""
    found = {visit.role: visit.findings.get(name, NOT_CHECKED) for visit in visits}
    level = max((finding.level for finding in found.values()), key=LEVELS.index)
    texts = [finding.text for finding in found.values()]
    if len(set(texts)) > 1:
        texts = [f"{role}: {finding.text}" for role, finding in found.items()]
    remedies = dict.fromkeys(finding.remedy for finding in found.values() if finding.remedy)
    return Finding(level, "; ".join(dict.fromkeys(texts)), "; ".join(remedies))


def _settings(settings: Settings) -> Finding:
    given, of = len(settings.model_fields_set), len(type(settings).model_fields)
    return Finding("ok", f"{given} of {of} given, all can be used")


def judge_threads(settings: Settings) -> Finding:
    """Return what to think of the number of threads beside the sizes of the pools."""
    threads, overflow, waiting = settings.threads, settings.pool_max_overflow, settings.pool_max_pending
    if settings.pool_strategy == "request":
        return Finding("ok", f"THREADS={threads}, each opens its own connection")
    sizes = {"POOL_SIZE": settings.pool_size + overflow, "WRITER_POOL_SIZE": settings.writer_pool_size + overflow}
    for name, capacity in sizes.items():
        said = f"THREADS={threads} beside {name} {capacity}" + (" (overflow counted)" if overflow else "")
        if capacity > threads:
            return Finding("warning", f"{said}: some are never used", f"lower {name} to {threads} at the most")
        if name == "POOL_SIZE" and threads > capacity + waiting:
            remedy = f"lower THREADS, or raise POOL_MAX_PENDING to {threads - capacity}"
            return Finding("warning", f"{said} and POOL_MAX_PENDING={waiting}: a full house gets 503 at once", remedy)
    return Finding("ok", f"THREADS={threads} share {' and '.join(f'{name} {size}' for name, size in sizes.items())}")


def _budget(settings: Settings, visits: Iterable[Visit]) -> tuple[Finding, Finding]:
    """Return what to think of the budget, and of who is really there."""
    if not has_limits(settings.database_url):
        return Finding("ok", "a file, no limit"), Finding("ok", "a file, nobody is counted")
    terms, fleet = terms_of(settings), Fleet.of(settings)
    asked = [(terms[visit.role], visit.seen) for visit in visits if visit.seen is not None]
    if len(asked) < len(terms):
        return NOT_CHECKED, NOT_CHECKED
    tightest = budgets([(each, seen.limits) for each, seen in asked], fleet)[0]
    return judge_budget(tightest), judge_presence(asked, fleet)


def judge_presence(asked: Sequence[tuple[Terms, Seen]], fleet: Fleet) -> Finding:
    """Return what to think of those who have connections now."""
    if found := list(surprises(asked, fleet, surge=False)):
        return Finding("warning", "; ".join(text for text, _ in found), "; ".join(remedy for _, remedy in found))
    there = {seen.user: seen.there for _, seen in asked}
    said = ", ".join(f"{user}: {each or 'not told'}" for user, each in there.items())
    hidden = any(each is None or each.instances is None for each in there.values())
    return Finding(
        "ok", f"INSTANCES={fleet.instances}; {said}" + "; which instances, the server does not tell" * hidden
    )


def judge_budget(tightest: Budget) -> Finding:
    """Return what to think of the limit that leaves the least room."""
    if not tightest.remedy:
        return Finding("ok", tightest.arithmetic)
    return Finding("warning" if tightest.fits_usually else "problem", tightest.arithmetic, tightest.remedy)


def _as_text(lines: dict[str, Finding]) -> str:
    width = max(map(len, lines))
    return "\n".join(
        f"{click.style(f'{finding.level:<11}', fg=COLOURS[finding.level])}  {name:<{width}}  {finding.text}"
        + (f" -> {finding.remedy}" if finding.remedy else "")
        for name, finding in lines.items()
    )


def _as_json(lines: dict[str, Finding], worst: Level) -> str:
    checks = [
        {"name": name, "level": finding.level, "text": finding.text, "remedy": finding.remedy or None}
        for name, finding in lines.items()
    ]
    return json.dumps({"level": worst, "checks": checks}, ensure_ascii=False, indent=2)
