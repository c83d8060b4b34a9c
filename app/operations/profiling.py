"""/pool/profile: what the threads of this worker do, looked at up to a hundred times a second, for "why is it slow?".

The answer is stacks in one line each with how often they were seen, which flame graphs are drawn from. They name code,
and no value of anything.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from threading import Lock, get_ident
from threading import enumerate as enumerate_threads
from time import monotonic, sleep
from types import CodeType, FrameType
from typing import Annotated

from flask import Blueprint, Response, current_app
from pydantic import BaseModel, BeforeValidator, Field

from app.errors import Problem
from app.media_types import TEXT
from app.operations.access import require_operator
from app.parameters import read_query, refusal, whole_number

EVERY_SECONDS, LONGEST_SECONDS = 0.01, 30
ROOTS = sorted({str(Path(path)) for path in sys.path if path}, key=len, reverse=True)

Spot = tuple[CodeType, int]
"""Where a call is: its code, and which instruction."""

bp = Blueprint("profiling", __name__)
bp.before_request(require_operator)

_one_at_a_time = Lock()


class HowLong(BaseModel):
    """The parameter of the address."""

    # No default: it takes a thread for that long, which is nothing to happen by the way.
    seconds: Annotated[
        int | None,
        Field(description=f"a whole number from 1 to {LONGEST_SECONDS}"),
        BeforeValidator(whole_number(1, LONGEST_SECONDS)),
    ] = None


@bp.get("/pool/profile")
def show_profile() -> Response:
    """Return the stacks of so many seconds, those seen most often first; Problem (409) while another is made."""
    if (seconds := read_query(HowLong).seconds) is None:
        raise refusal("seconds", "is missing", HowLong)
    if not _one_at_a_time.acquire(blocking=False):
        raise Problem("conflict", "This worker is being profiled already; ask again when that is done.")
    try:
        seen = sampled(seconds)
    finally:
        _one_at_a_time.release()
    worker = current_app.extensions["reporter"].worker
    lines = [f"worker {worker};{stack} {count}\n" for stack, count in seen.most_common()]
    return Response("".join(lines), content_type=f"{TEXT}; charset=utf-8", headers={"Cache-Control": "no-store"})


def sampled(seconds: float) -> Counter[str]:
    """Return how often each stack of another thread was seen, its outermost call first; that of idle ones is not."""
    seen: Counter[tuple[str, tuple[Spot, ...]]] = Counter()
    own, ends = get_ident(), monotonic() + seconds
    while monotonic() < ends:
        names = {thread.ident: thread.name.rstrip("0123456789_-") for thread in enumerate_threads()}
        for thread, frame in sys._current_frames().items():
            if thread != own and not is_idle(frame.f_code):
                seen[names.get(thread, "thread"), tuple(_spots(frame))] += 1
        sleep(EVERY_SECONDS)
    told: Counter[str] = Counter()  # only now, since to find out the line of an instruction takes time
    for (name, spots), count in seen.items():
        told[";".join([name, *map(_said, reversed(spots))])] += count
    return told


def is_idle(code: CodeType) -> bool:
    """Tell whether a thread of a pool waits there for something to do, its turn, or its client's next question."""
    is_in_pool = code.co_name == "_worker" and code.co_filename.endswith("concurrent/futures/thread.py")
    return is_in_pool or code.co_qualname in ("Line.has_news", "Turns.take")


def _spots(frame: FrameType | None) -> Iterator[Spot]:
    while frame is not None:
        yield frame.f_code, frame.f_lasti
        frame = frame.f_back


def _said(spot: Spot) -> str:
    code, instruction = spot
    found = next(islice(code.co_positions(), instruction // 2, None), None)
    line = found[0] if found and found[0] else code.co_firstlineno
    root = next((root for root in ROOTS if code.co_filename.startswith(f"{root}/")), "")
    return f"{code.co_qualname} ({code.co_filename.removeprefix(f'{root}/')}:{line})"
