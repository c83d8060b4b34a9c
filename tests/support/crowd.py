"""Threads that share out what is to be done, while another one looks for what nobody has any more."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


def share_out(do_some: Callable[[int, int], None], number: int, threads: int) -> None:
    """Have so many threads do their share each, told their seed and how much; raise what one of them raises."""
    with ThreadPoolExecutor(threads + 1, "crowd") as workers:
        ends = [workers.submit(do_some, seed, number // threads) for seed in range(threads)]
        collector = workers.submit(_collect_garbage, ends)
        for end in [*ends, collector]:
            end.result()


def _collect_garbage(ends: list[Future[None]]) -> None:
    """Find what nobody refers to any more from another thread than that which made it."""
    while not all(end.done() for end in ends):
        gc.collect()
        time.sleep(0.005)
