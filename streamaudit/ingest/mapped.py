"""Apply the user's ``--map`` to the columns that a source's SQL yields, for every source in the same way.

A source's SQL passes the whole ``record`` on as one of its columns; it knows nothing of mappings. A mapped column comes
from its path alone, except that a keyed one falls back to the source's own candidates, and that a call without the
mapped id or transport keeps its own. A value that is not of the column's kind is NULL, and ``misfits`` names its
column.
"""

from streamaudit.ingest.mapping import KEYED, KINDS, Kind, Mapping
from streamaudit.ingest.sources.registry import TELLING, Source

_TYPES: dict[Kind, str] = {
    "text": "VARCHAR", "code": "VARCHAR", "hash": "VARCHAR", "count": "BIGINT", "number": "DOUBLE", "money": "DOUBLE",
    "duration": "DOUBLE", "instant": "TIMESTAMP", "flag": "BOOLEAN", "numbers": "DOUBLE[]", "counts": "BIGINT[]",
}  # fmt: skip
_STAGED_AS = {"cancelled": "cancel_flag", "outcome": "said_outcome"}
"""Columns of the staging table whose name differs from the one that users map."""

# The value of a column's kind from the text at its path; COLUMN is replaced by the column's name.
_VALUES: dict[Kind, str] = {
    "text": "first_filled(json_extract_string(record, $map_COLUMN))",
    "code": "code_word(first_filled(json_extract_string(record, $map_COLUMN)))",
    "hash": "md5($salt || first_filled(json_extract_string(record, $map_COLUMN)))",
    "count": "tokens_of(first_filled(json_extract_string(record, $map_COLUMN)))",
    "flag": "bool_of(first_filled(json_extract_string(record, $map_COLUMN)))",
    "number": "number_of(first_filled(json_extract_string(record, $map_COLUMN)))",
    "money": "first_scaled(list_transform(json_extract_string(record, $map_COLUMN), "
    "lambda v: CAST(money_of(v) AS VARCHAR)), $scale_COLUMN)",
    "duration": "first_duration(json_extract_string(record, $map_COLUMN), $scale_COLUMN)",
    "instant": "first_instant(json_extract_string(record, $map_COLUMN), $scale_COLUMN)",
    "numbers": "first_scaled_list(json_extract_string(record, $map_COLUMN), $scale_COLUMN)",
}
_OTHER_VALUES = {
    "attempt_number": "try_cast(first_filled(json_extract_string(record, $map_attempt_number)) AS INTEGER)",
    "http_status": "try_cast(first_filled(json_extract_string(record, $map_http_status)) AS INTEGER)",
    "provider": "lower(first_filled(json_extract_string(record, $map_provider)))",
    "outcome": "outcome_of(first_filled(json_extract_string(record, $map_outcome)), $outcome_is_error)",
    "error_type": "coalesce(error_class(first_filled(json_extract_string(record, $map_error_type))), "
    "code_word(first_filled(json_extract_string(record, $map_error_type))))",
    "usage_basis": "usage_word(first_filled(json_extract_string(record, $map_usage_basis)))",
    "chunk_tokens": "try_cast(numbers_of(first_filled(json_extract_string(record, $map_chunk_tokens))) AS BIGINT[])",
}
_FIRST_TOKEN_AT = "first_instant(json_extract_string(record, $map_ttft_ms), $scale_ttft_at)"
# A word at a guessed path is as weak as an application's own: evidence of a bad end takes precedence over a success.
_GUESSED_OUTCOME = "coalesce(nullif(mine.outcome, 'unrecognised'), app_outcome, mine.outcome) AS app_outcome"
# A gateway writes 0 for what it does not know of a call that failed or was cut.
_COUNTED = ("input_tokens", "output_tokens")
_GUESSED_COUNT = """CASE WHEN coalesce(mine.input_tokens, 0) <> 0 OR coalesce(mine.output_tokens, 0) <> 0
    OR coalesce({cache_hit}, false) OR mine.{column} <> 0 THEN mine.{column} END AS {column}"""
_ALONE = ("start_time", "end_time", "duration_ms")

_UNMAPPED = "SELECT * EXCLUDE (record) FROM ({sql})"
_MAPPED = """
SELECT * EXCLUDE (mine, record) REPLACE ({columns}, {misfits} AS misfits)
FROM (
    SELECT *, struct_pack({values}) AS mine
    FROM (SELECT * FROM ({sql}) UNION ALL BY NAME SELECT {padding} WHERE false)
)
"""
# Derives a missing start from the end and the duration, where the user mapped at least one of the three.
_TIMED = """
SELECT * REPLACE (
    coalesce(start_time, later_by(end_time, -duration_ms)) AS start_time
) FROM ({sql})
"""


def apply_mapping(source: Source, mapping: Mapping) -> str:
    """Return a source's SQL with a mapping applied, without the ``record``."""
    sql = source.sql
    columns = [column for column in KINDS if column in mapping.paths]
    if not columns:
        return _UNMAPPED.format(sql=sql)
    values = [f"{column} := {_value(column)}" for column in columns]
    if "ttft_ms" in columns:
        values.append(f"ttft_at := {_FIRST_TOKEN_AT}")
    times = {column: _time(column, columns) for column in _ALONE} if set(_ALONE) & set(columns) else {}
    replaced = [
        text for column in columns if column not in times
        for text in (_replace_guess(column, columns) if source.has_guessed(column, mapping) else []) or _replace_column(
            column, columns
        )
    ]  # fmt: skip
    replaced += [f"{text} AS {column}" for column, text in times.items()]
    if "response_model" in columns and "model" not in columns:
        # The model that was asked for is that which answered, where a record has no other.
        replaced.append("coalesce(model, undated(mine.response_model)) AS model")
    telling = ", ".join(f"mine.{column}::VARCHAR" for column in (*TELLING, "outcome") if column in columns)
    if source.fallback and telling:
        is_call = f"kind = 'other' AND coalesce({telling}) IS NOT NULL"
        replaced.append(f"CASE WHEN {is_call} THEN 'llm' ELSE kind END AS kind")
    padding = {"misfits": "VARCHAR[]"}
    padding |= {name: kind for column in (*columns, *times) for name, kind in _padding(column).items()}
    if "ttft_ms" in columns:
        padding["start_time"] = "TIMESTAMP"
    text = _MAPPED.format(
        sql=sql, values=", ".join(values), columns=",\n    ".join(replaced), misfits=_misfits(columns),
        padding=", ".join(f"NULL::{kind} AS {name}" for name, kind in padding.items()),
    )  # fmt: skip
    return _TIMED.format(sql=text) if times else text


def _replace_guess(column: str, columns: list[str]) -> list[str]:
    """Return what replaces a column for which the path was not the user's own; nothing where it is as good as one."""
    if column == "outcome":
        return [_GUESSED_OUTCOME]
    if column in (*_COUNTED, "cost_usd") and set(_COUNTED) <= set(columns):
        return [_GUESSED_COUNT.format(column=column, cache_hit=f"{'mine.' * ('cache_hit' in columns)}cache_hit")]
    if KINDS[column] == "money":
        # 0 dollars of a call without a count is what was not known.
        counts = ", ".join(f"mine.{one}" if one in columns else one for one in _COUNTED)
        return [f"CASE WHEN mine.{column} > 0 OR coalesce({counts}) IS NOT NULL THEN mine.{column} END AS {column}"]
    return []


def _value(column: str) -> str:
    return _OTHER_VALUES.get(column) or _VALUES[KINDS[column]].replace("COLUMN", column)


def _padding(column: str) -> dict[str, str]:
    rank = {f"{column}_rank": "INTEGER"} if column in KEYED else {}
    return {_STAGED_AS.get(column, column): _TYPES[KINDS[column]], **rank}


def _replace_column(column: str, columns: list[str]) -> list[str]:
    staged = _STAGED_AS.get(column, column)
    if column in KEYED:
        return [
            f"coalesce(mine.{column}, {column}) AS {column}",
            f"CASE WHEN mine.{column} IS NOT NULL THEN 0 ELSE {column}_rank END AS {column}_rank",
        ]
    if column in ("call_id", "transport"):
        return [f"coalesce(mine.{column}, {column}) AS {column}"]
    if column == "ttft_ms":
        start = "mine.start_time" if "start_time" in columns else "start_time"
        return [f"coalesce(mine.ttft_ms, span_ms({start}, mine.ttft_at)) AS ttft_ms"]
    return [f"mine.{column} AS {staged}"]


def _time(column: str, columns: list[str]) -> str:
    """Return the SQL of the start, end or duration of a call, where the user mapped at least one of them."""
    end = "mine.end_time" if "end_time" in columns else "end_time"
    # The source may have used as the start the field that the user maps to the end.
    start = "start_time"
    if "end_time" in columns:
        start = f"CASE WHEN start_time IS DISTINCT FROM {end} THEN start_time END"
    if "start_time" in columns:
        start = "mine.start_time"
    if column == "start_time":
        return start
    if column == "end_time":
        return end
    return "mine.duration_ms" if "duration_ms" in columns else f"coalesce(span_ms({start}, {end}), duration_ms)"


def _misfits(columns: list[str]) -> str:
    judged = [column for column in columns if KINDS[column] not in ("text", "hash")]
    words = [
        f"CASE WHEN first_filled(json_extract_string(record, $map_{column})) IS NOT NULL AND mine.{column} IS NULL"
        f"{' AND mine.ttft_at IS NULL' if column == 'ttft_ms' else ''} THEN '{column}' END"
        for column in judged
    ]
    mine = f"list_filter([{', '.join(words)}]::VARCHAR[], lambda w: w IS NOT NULL)"
    # A start that the source did not understand is of no matter where the user mapped another.
    return f"nullif({mine}, [])" if "start_time" in columns else f"nullif(list_concat(misfits, {mine}), [])"
