"""The matrix of a cluster as Markdown."""

from __future__ import annotations

from benchmarks.faults.cluster.incidents import INCIDENTS
from benchmarks.faults.cluster.outcome import ClusterOutcome
from benchmarks.faults.cluster.remarks import LEGEND, REMARKS
from benchmarks.faults.cluster.rule import RULE, colour_of, shortcomings
from benchmarks.faults.report import Form, in_a_cell


def _figures(outcome: ClusterOutcome) -> list[str]:
    return [
        f"{outcome.reads:,}",
        f"{outcome.failed_reads}",
        f"{outcome.failed_reads_down}",
        f"{outcome.writes:,}",
        f"{outcome.refused}",
        f"{outcome.unknown}",
        f"{outcome.unnamed}",
        f"{outcome.lost}",
        f"{outcome.uneven}",
        f"{outcome.wrong}",
        f"{outcome.worst_seconds:.2f} s",
        f"{outcome.reads_back_seconds:.2f} s",
        f"{outcome.writes_back_seconds:.2f} s",
        f"{outcome.write_outage_seconds:.1f} s",
        f"{outcome.stuck}",
    ]


CLUSTER = Form(
    key="cluster",
    incidents=INCIDENTS,
    legend=LEGEND,
    rule=RULE,
    colour_of=colour_of,
    cell=lambda outcome: in_a_cell(shortcomings(outcome), outcome.worst_seconds),
    remarks=REMARKS,
    columns=(
        "reads",
        "failed, a node answered",
        "failed, none did",
        "writes",
        "refused",
        "unknown",
        "unnamed",
        "lost",
        "uneven",
        "wrong",
        "worst latency",
        "longest without a good read",
        "longest without a good write",
        "cluster took no writes",
        "stuck",
    ),
    figures=_figures,
)
