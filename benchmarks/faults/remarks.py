"""What the document says in words: how it was measured, and why a row cannot be won."""

LEGEND = """\
Each stack answers over HTTP, with one worker of 16 threads (the async one: one process) unless the fault is about
workers, on one MariaDB and each behind a TCP proxy of its own. Sixteen clients per stack ask for random cities,
pausing 0.1 to 0.3 s after each answer; every answer is checked. All stacks meet a fault at the same moment; each is
started for it and ended after it. What the peers are is in [benchmarks/README.md](../benchmarks/README.md), and the
faults are the functions of `tests/faults/incidents/`. This application runs with its default settings, access log off.

- **The database is down** from the moment at which a fault that nobody could be served through is put on until it is
  taken off; after a stop or a crash, until a client that goes past the proxies can log in. Through all other faults it
  is up. A request counts as *failed, database down* if it was under way at any moment of that time, as *failed in the
  first second after* if it began within a second of its end, else as *failed, database up*. For writes it is down, too,
  while it takes none.
- **Failed** is whatever is not answered with 200: an error, a broken connection. A read on a kept-alive connection that
  was closed before the first byte of the answer is sent once more, as browsers do. Where a fault takes the answers to
  writes away, a write that failed is counted apart: an error is the honest answer then.
- **Wrong** is another city's id, a city said to be unknown, a write that was kept twice, or one that was answered with
  200 and is not there.
- **Worst latency** is that of the slowest read or write; one that has no answer at the end counts until then.
- **First 200** is the time from the end of the fault to the next read that is answered with 200.
- **Connections opened** is counted at the proxy, from the beginning of the fault to the end.
- **Stuck** are requests that were begun before the end of the fault and have no answer three seconds after it; each
  keeps a thread. Nobody's client gives up before: a hang is measured, not ended.

The colour of a cell follows one rule:"""

REMARKS: dict[str, str] = {}
"""Why this application is not green, by incident."""
