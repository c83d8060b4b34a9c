"""What the document says of a cluster in words: how it was measured, and why a row cannot be won."""

LEGEND = """\
Three nodes of MariaDB 11.8 with Galera 4 behind HAProxy 3.2 with [`haproxy.cfg`](../deploy/haproxy/haproxy.cfg), in
containers on the same machine: one port leads to the node that takes the writes, the other to all three. Each stack
has one worker of 16 threads and a database of its own; all meet a fault together. Sixteen clients per stack pause 0.1
to 0.3 s after each answer: twelve ask for random cities, four write a row and add one to two others, in one
transaction. The peers read by the second port and write by the first, as this application does with
`DATABASE_READ_URL`.

- **The cluster** is asked on every node past HAProxy, five times a second, for a row and for a write. It is away for
  reads, or takes no writes, where no node at all did so for longer than a second, from the last that was answered to
  the next. Where HAProxy or the web instance is what dies, all is away from then until it lets somebody in again.
- **A read has failed** if it is not answered with 200. While a node answered, and from two seconds after one did again,
  there must be none.
- **A write that failed** was *refused* (nothing of it is on any node), or is *unknown*: its answer says that nobody
  knows whether it was kept (`outcome-unknown`), or there was no answer at all. It is *unnamed* if it was kept and its
  answer says nothing of the kind. The peers have no words for it.
- **Lost** is a write that was answered with 200 and is missing on a node, once all three belong together again;
  *uneven* are nodes that have one twice, or half, or not the same ones as the others.
- **Longest without a good read, or write** leaves out the time in which the cluster itself was away.
- **Worst latency** and **stuck** are as above.

The colour of a cell follows one rule:"""

REMARKS: dict[str, str] = {}
