"""What the document says in words: how it was measured, and why a row cannot be won."""

LEGEND = """\
Each stack answers over HTTP, with one worker of 16 threads (FastAPI: one process) unless the fault is about workers,
behind a TCP proxy of its own, from its own copy of Sakila on one MariaDB, without TLS. Sixteen clients per stack ask
for random cities, pausing 0.1 to 0.3 s after each answer; every answer is checked. A stack is started for each fault
and ended after it. Three or two meet a fault together, in changing company; faults that have to do with starting
processes meet each alone. The peers are those of [benchmarks/README.md](../benchmarks/README.md), the faults the
functions in `benchmarks/faults/incidents/`; the few routes that only they need, such as one that writes, are in
`benchmarks/faults/routes*.py`. This application runs with its default settings, the access log off. What uvicorn does
instead of forking is to start its workers anew.

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
- **First 200** is the time from the end of the fault to the next read that is answered with 200; where writes were
  refused, to the next write too, whichever is later.
- **Connections opened** is counted at the proxy, from the beginning of the fault to the end.
- **Stuck** are requests that were begun before the end of the fault and have no answer three seconds after it; each
  keeps a thread. Clients do not give up before: a hang is measured, not ended.

The colour of a cell follows one rule:"""

REMARKS: dict[str, str] = {
    "pool-exhausted": "eight connections for sixteen threads, and nobody waits for one longer than a second: whoever "
    "would have to is told 503 with `Retry-After`, so that threads stay free for what needs no database. The others "
    "have a connection for each thread or nearly so, and wait. With `POOL_SIZE=16` or a longer `POOL_TIMEOUT_SECONDS` "
    "this application waits, too.",
    "forgotten-by-the-firewall": "bytes that vanish look like a server that thinks, and it may think until the "
    "deadline. Each connection that was open costs one request, answered in time with 504, and as long as these hold "
    "all permits others get 503; then all connections are new. The look at the socket cannot see it, and a ping before "
    "each query would cost every other read a round trip ([decision 0009](decisions/0009-no-pre-ping.md)); after 30 s "
    "of idling there is one.",
}
"""Why this application is not green, by incident."""
