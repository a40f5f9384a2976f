"""Sums that the catalogue computes apart from those of all calls, each over a relation of its own.

Only some calls have them (those that were cancelled), or a call has many (the gaps between its chunks), or they ask a
question of each call that a report seldom asks (goodput). A report that picks no figure of a part pays nothing for it.
"""

from dataclasses import dataclass, field

from streamaudit.store.package_files import package_text


@dataclass(frozen=True, slots=True)
class Part:
    """Sums over the relation ``relation``, which the CTE text ``rows`` defines over ``scope``.

    ``latencies`` are percentiles over a column of the relation in milliseconds, by name.
    """

    name: str
    relation: str
    sums: dict[str, str]
    rows: str = ""
    latencies: dict[str, str] = field(default_factory=dict)


GOODPUT_REASONS = {
    "met": ("met", "within every target"),
    "failed": ("missed", "failed"),
    "timed_out": ("missed", "cut by a deadline"),
    "late_ttft": ("missed", "first token later than its target, or waited longer than that and left"),
    "late_ttvt": ("missed", "first visible token later than its target, or waited longer than that and left"),
    "late_tpot": ("missed", "more time per output token than its target"),
    "late_duration": ("missed", "longer than its target"),
    "left": ("unknown", "the user left before a target was missed or met"),
    "ttft_unknown": ("unknown", "no usable time to first token"),
    "ttvt_unknown": ("unknown", "no time to the first visible token"),
    "tpot_unknown": ("unknown", "no time per output token, and not known to be of a single token"),
    "duration_unknown": ("unknown", "no duration"),
    "ending_unknown": ("unknown", "in time as far as recorded, and not known to have ended well"),
    "streaming_unknown": ("unknown", "not known to have streamed"),
}
"""Each way in which a call counts in goodput (goodput.sql), its verdict, and its meaning."""

GOODPUT = Part(
    "goodput", "goodput_calls", {
        "goodput_met": "count(*) FILTER (WHERE goodput = 'met')",
        "goodput_missed": "count(*) FILTER (WHERE goodput IN ('failed', 'timed_out') OR goodput LIKE 'late%')",
        "goodput_unknown": "count(*) FILTER (WHERE goodput = 'left' OR goodput LIKE '%unknown')",
    }, package_text("audits", "goodput.sql"),
)  # fmt: skip


# Reports that do not ask for gaps never read the lists, which take most of a store's space.
_GAPS = """
, {name}_gaps AS (
    SELECT * FROM (
        SELECT
            by_1, by_2, by_3, by_4, unnest({offsets}[2:]) - unnest({offsets}[:-2]) AS gap_ms,
            unnest(generate_series(2, len({offsets}))) = 2 AS first_of_call
        FROM scope WHERE streamed IS DISTINCT FROM false AND len({offsets}) >= 2
    )
    WHERE gap_ms >= 0
)
"""


def _gaps(name: str, offsets: str) -> Part:
    """Return the sums over the gaps between the chunks of a call, by a list of their arrival in milliseconds."""
    sums = {f"{name}_of_calls": "count(*) FILTER (WHERE first_of_call)"}
    return Part(name, f"{name}_gaps", sums, _GAPS.format(name=name, offsets=offsets), {name: "gap_ms"})


GAPS = (_gaps("itl", "chunk_offsets_ms"), _gaps("client_itl", "client_chunk_offsets_ms"))
"""Gaps between chunks as the provider sent them, and as they reached the end client."""
