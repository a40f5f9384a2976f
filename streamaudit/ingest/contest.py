"""The contest of records of one call: which of them stays in the store, and under which id.

Every step is one statement over all calls that have several records, and none depends on the order of their arrival.
"""

from dataclasses import dataclass
from typing import Literal

from streamaudit.ingest.macros import define_macros
from streamaudit.store.package_files import package_text
from streamaudit.store.store import Store


@dataclass(frozen=True, slots=True)
class Contest:
    """The result for arriving records of calls that have several: calls first seen, and stored ones replaced.

    ``displaced`` counts stored records that gave way to others.
    """

    arrived: int
    first_seen: int
    replaced: int
    displaced: int

    @property
    def repeated(self) -> int:
        """Arriving records that are equal to the one kept, or worse."""
        return self.arrived - self.first_seen - self.replaced

    def __add__(self, other: "Contest") -> "Contest":
        return Contest(
            self.arrived + other.arrived, self.first_seen + other.first_seen, self.replaced + other.replaced,
            self.displaced + other.displaced,
        )  # fmt: skip


# Every record, stored or arriving, of an id that has more than one.
_RIVALS = """
CREATE OR REPLACE TEMP TABLE rivals AS
SELECT call_id AS given_id, staged_row, NULL::BIGINT AS stored_row, start_time, attempt_number, response_id, outcome,
    usage_basis, output_tokens, source_updated_at, end_time IS NOT NULL AS has_end, record_hash, input_hash,
    (output_chars IS NOT NULL)::INTEGER + (input_hash IS NOT NULL)::INTEGER AS texts, versions, trace_id
FROM {arriving} SEMI JOIN repeated_calls USING (call_id)
UNION ALL
SELECT stored_calls.call_id, NULL, call_row, start_time, attempt_number, response_id, outcome,
    usage_basis, output_tokens, source_updated_at, end_time IS NOT NULL AS has_end, record_hash, input_hash,
    (output_chars IS NOT NULL)::INTEGER + (input_hash IS NOT NULL)::INTEGER, versions, trace_id
FROM store.calls AS calls JOIN stored_calls ON stored_calls.call_row = calls.rowid
"""

_NO_ATTEMPTS = """
CREATE OR REPLACE TEMP TABLE attempts (
    given_id VARCHAR, start_time TIMESTAMP, attempt_number INTEGER, response_id VARCHAR, attempt BIGINT,
    versions STRUCT(start_time TIMESTAMP, attempt_number INTEGER, response_id VARCHAR)[]
)
"""

# The best record of each call, see "The winner" in docs/definitions.md. Identical ones count as the stored one.
_CONTEST = """
CREATE OR REPLACE TEMP TABLE contest AS
WITH ranked AS (
    SELECT
        given_id, attempt,
        first(struct_pack(staged_row, stored_row) ORDER BY
            outcome IN ('completed', 'cancelled', 'timeout', 'error') DESC,
            usage_rank(usage_basis) DESC,
            -- A correction may lower a count; progress only raises it, in whatever order it was written.
            CASE WHEN usage_basis <> 'partial' THEN source_updated_at END DESC NULLS LAST,
            output_tokens DESC NULLS LAST,
            source_updated_at DESC NULLS LAST,
            -- A step that was printed while it was open, and once more when it had ended.
            has_end DESC,
            -- The same record without its texts: what was found in them stays known.
            texts DESC,
            record_hash DESC,
            input_hash DESC NULLS LAST,
            staged_row NULLS FIRST
        ) AS winner,
        count(staged_row) AS arrived,
        count(stored_row) AS stored,
        any_value(seen) AS versions
    FROM (
        SELECT
            rivals.* EXCLUDE (versions, trace_id), coalesce(attempts.attempt, 1) AS attempt, attempts.versions AS seen
        FROM rivals LEFT JOIN attempts
            ON attempts.given_id = rivals.given_id
            AND attempts.start_time IS NOT DISTINCT FROM rivals.start_time
            AND attempts.attempt_number IS NOT DISTINCT FROM rivals.attempt_number
            AND attempts.response_id IS NOT DISTINCT FROM rivals.response_id
    )
    GROUP BY given_id, attempt
)
SELECT
    given_id, winner.staged_row AS winner_row, winner.stored_row AS winner_stored, arrived, stored, versions,
    CASE WHEN count(*) OVER one_id > 1 THEN given_id || '#' || attempt ELSE given_id END AS call_id,
    CASE WHEN count(*) OVER one_id > 1 THEN given_id END AS request_id
FROM ranked
WINDOW one_id AS (PARTITION BY given_id)
"""

_DELETE_LOSERS = """
DELETE FROM store.calls
WHERE rowid IN (
    SELECT stored_row FROM rivals ANTI JOIN contest ON contest.winner_stored = rivals.stored_row
    WHERE stored_row IS NOT NULL)
"""

# A stored call may have become one of several attempts, or may have been one.
_RENAME_WINNERS = """
UPDATE store.calls AS calls
SET call_id = contest.call_id, request_id = contest.request_id, versions = contest.versions,
    logical_request_id = CASE WHEN contest.request_id IS NOT NULL
        THEN coalesce(calls.logical_request_id, contest.request_id)
        WHEN calls.request_id IS NOT NULL THEN nullif(calls.logical_request_id, calls.request_id)
        ELSE calls.logical_request_id END
FROM contest
WHERE calls.rowid = contest.winner_stored
    AND (contest.call_id, contest.request_id, contest.versions)
        IS DISTINCT FROM (calls.call_id, calls.request_id, calls.versions)
"""

_INSERT_WINNERS = """
INSERT INTO store.calls BY NAME
SELECT
    arriving_calls.* EXCLUDE (staged_row) REPLACE (
        contest.call_id AS call_id,
        coalesce(arriving_calls.logical_request_id, contest.request_id) AS logical_request_id,
        contest.request_id AS request_id, contest.versions AS versions
    )
FROM {arriving}
JOIN contest ON contest.given_id = arriving_calls.call_id AND contest.winner_row = arriving_calls.staged_row
"""

_CONTEST_TALLY = """
SELECT
    coalesce(sum(arrived), 0)::BIGINT,
    count(*) FILTER (stored = 0),
    count(*) FILTER (stored > 0 AND winner_row IS NOT NULL)
FROM contest
"""
_KEEP_BEATEN = """
INSERT INTO removed_calls
SELECT NULL, response_id, false
FROM rivals ANTI JOIN contest ON contest.winner_stored = rivals.stored_row
WHERE stored_row IS NOT NULL AND response_id IS NOT NULL
"""
# Whichever record stays, another may be of another trace, or of none.
_KEEP_TRACES = """
INSERT INTO earlier_traces
SELECT DISTINCT trace_id FROM rivals WHERE stored_row IS NOT NULL AND trace_id IS NOT NULL
"""


def hold_contest(store: Store, id_names: Literal["attempt", "request"], arriving: str) -> Contest:
    """Keep the best record of each call in ``repeated_calls``, stored or arriving.

    ``arriving`` is the relation ``arriving_calls`` or a query of that name, with a ``staged_row`` for each call.
    """
    store.run(_RIVALS.replace("{arriving}", arriving))
    store.run(_NO_ATTEMPTS if id_names == "attempt" else package_text("ingest", "attempts.sql"))
    store.run(_CONTEST)
    arrived, first_seen, replaced = store.one(_CONTEST_TALLY)
    store.run(_KEEP_BEATEN)
    store.run(_KEEP_TRACES)
    displaced = store.run(_DELETE_LOSERS)
    store.run(_RENAME_WINNERS)
    store.run(_INSERT_WINNERS.replace("{arriving}", arriving))
    return Contest(arrived, first_seen, replaced, displaced)


def define_contest_macros(store: Store) -> None:
    """Define the macros that a contest uses."""
    define_macros(store, _CONTEST)
