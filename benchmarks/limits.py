"""What a warm answer, and a warm acquire and release, may cost; counted, so it is the same on any machine.

Tests hold these (benchmarks/tests/). A change that needs more has to raise a limit here, with its reason beside it.
"""

import sys

ANSWER_CALLS = {(3, 11): 662, (3, 12): 661, (3, 13): 659, (3, 14): 663}.get(sys.version_info[:2])
"""Functions, in Python and in C, as cProfile counts them in `GET /?city=London`; the view that holds a bare connection
takes 572 to 582. Ten of them are the histogram's, whose numbers lie in a file, for all workers to be added up. This is
what was counted, without slack: one call more is a change of this file. None: nobody has counted on this version."""
ANSWER_PYTHON_CALLS_BESIDE_RAW = 1.25
"""Python functions over that view's: 365 to 302 on 3.11, which is 1.21; and 3 % for versions that count otherwise."""
ANSWER_OWN_CALLS, ANSWER_OWN_FILES = 61, 21
"""Of them this project's, and the files they stand in, as they were when this was written: what a reader has to
follow. Some 20 are the loan's, the rest is HTTP: parameters, representation, headers, id, metrics."""
ANSWER_LOCK_SECTIONS = 4
"""Two of the pool, to acquire and to release; two of prometheus_client, the histogram's sum and one bucket."""
ANSWER_GIL_RELEASES = 5
"""To wait for the client's word and to read it, to send the statement and to read its rows, to send the answer. The
bare view in Gunicorn's own worker has 9, without the loop's. With 16 threads each costs a few hundredths."""
ANSWER_KILOBYTES = 8
"""The most at once: 6 when this was written, 4 of which the bare view needs; Python's versions differ."""

ACQUIRE_CALLS, ACQUIRE_FILES = 18, 5
"""This project's functions in one acquire and release (15 when this was written), and their files (4)."""
ACQUIRE_LOCK_SECTIONS = 3
"""One to take, one to give back, and one in case the queue has somebody in it."""
ACQUIRE_CPU_BESIDE_QUEUE_POOL = 2.1
"""1.4 when this was written (8.4 to 6.1 us, Python 3.11), and half of that for other machines and loads."""
