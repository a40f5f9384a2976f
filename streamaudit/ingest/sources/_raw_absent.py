"""Parts of the SQL of raw calls that are NULL, or one of their parts alone, in a file in which no name of a group
occurs. Each takes longer to plan than a few records take to read.
"""

from streamaudit.ingest.sources._raw_names import Names
from streamaudit.ingest.sources.registry import APP_KEYS, Occurs

_ERRORS = (
    ("CASE WHEN starts_with(error_text, '{{') THEN try_cast(error_text AS JSON) END", "NULL::JSON"),
    ("\"error_type\" <> '' OR is_error_text(error_text) OR words[1]", "words[1]"),
    ("coalesce(error_object->>'$.message', error_text)", "NULL::VARCHAR"),
    ("coalesce(nullif(\"error_type\", ''), error_object->>'$.type', error_object->>'$.name', "
     "error_object->>'$.code')", "NULL::VARCHAR"),
    ("list_transform([error_word, error_message_text], lambda t: error_class(t))", "NULL::VARCHAR[]"),
    ("""("error_type" <> '' AND says_cancelled("error_type"))
        OR (is_error_text(error_text)
            AND (says_cancelled(error_word) OR message_says_cancelled(classes[2], error_message_text)))""",
     "NULL::BOOLEAN"),
    ("""("error_type" <> '' AND says_timeout("error_type"))
        OR (is_error_text(error_text)
            AND (says_timeout(error_word) OR message_says_timeout(classes[2], error_message_text)))""",
     "NULL::BOOLEAN"),
    ("coalesce(http, try_cast(error_object->>'$.status' AS INTEGER))", "http"),
    ("coalesce(classes[1], code_word(error_word), classes[2])", "NULL::VARCHAR"),
)  # fmt: skip
_WORDS = (
    ("""CASE WHEN coalesce(status_word, "stream_status", first_filled(app[outcome])) IS NULL
            THEN [NULL, outcome_word("outcome"), NULL, NULL]
            ELSE list_transform([status_word, "outcome", "stream_status", first_filled(app[outcome])],
                lambda w: outcome_word(w))
        END""", "NULL::VARCHAR[]"),
    ("""CASE WHEN coalesce(words[2], 'unrecognised') = 'unrecognised' THEN coalesce(words[3], words[2])
        ELSE words[2] END""", "NULL::VARCHAR"),
)  # fmt: skip
_VOICE = (
    ("""CASE WHEN "kind" IS NOT NULL AND lower("kind") IN ('stt', 'tts', 'endpointing') THEN lower("kind") END""",
     "NULL::VARCHAR"),
    ("""CASE WHEN voice_stage IS NOT NULL THEN concat_ws('/', own_id, voice_stage, CASE WHEN own_id IS NULL
        THEN md5(concat_ws('|', "trace_id", started, ended)) END) ELSE {call_id} END""", "{call_id}"),
    ("""CASE WHEN voice_stage IS NOT NULL THEN nullif(list_filter([{{'stage': voice_stage, 'ms': coalesce({ttft_ms},
        {duration_ms}, span_ms(started, ended))::DOUBLE}}], lambda s: s.ms > 0), []) END""",
     "NULL::STRUCT(stage VARCHAR, ms DOUBLE)[]"),
)  # fmt: skip
_TRANSPORT = (
    ("""CASE WHEN app IS NOT NULL OR tagged IS NOT NULL OR coalesce({transport}) IS NOT NULL THEN list_transform(
            [[{transport}], app[transport], tagged[transport]], lambda l: transport_of(l)) END""", "NULL::VARCHAR[]"),
)  # fmt: skip
_CANCELLED = (
    ("""CASE WHEN coalesce("cancelled", "canceled", "aborted", "client_disconnected") IS NOT NULL OR app IS NOT NULL
        THEN flag_of(list_concat(["cancelled", "canceled", "aborted", "client_disconnected"], app[cancelled])) END""",
     "NULL::BOOLEAN"),
)  # fmt: skip
_END = (
    ("instant_utc({end_time})", "NULL::TIMESTAMP"), ("coalesce(started, later_by(ended, -({duration_ms})))", "started"),
)  # fmt: skip


def omit_absent_parts(sql: str, names: Names, occurs: Occurs) -> str:
    """Return the template of the SQL without what needs names that do not occur; ``names`` are those tried for each
    column."""
    groups = (
        ((*names["error"], "error_type"), _ERRORS),
        ((*names["status"], *names["outcome"], *APP_KEYS["outcome"]), _WORDS),
        (("kind",), _VOICE),
        ((*names["transport"], *APP_KEYS["transport"]), _TRANSPORT),
        (APP_KEYS["cancelled"], _CANCELLED),
        (names["end_time"], _END),
        (("metadata", "attributes", "extra"), (
            ('filled(json_extract_string(coalesce("metadata", "attributes", "extra"), $app_paths))', "NULL::VARCHAR[]"),
        )),
        (("tags",), (
            ('CASE WHEN "tags" IS NOT NULL THEN tag_values(try_cast("tags" AS VARCHAR[]), $tag_keys) END',
             "NULL::VARCHAR[]"),
        )),
        (("usage_source", "usage_basis"), (('usage_word(coalesce("usage_source", "usage_basis"))', "NULL::VARCHAR"),)),
        (("cancelled_by",), (('code_word("cancelled_by")', "NULL::VARCHAR"),)),
        (("updated_at",), (('instant_utc("updated_at")', "NULL::TIMESTAMP"),)),
    )  # fmt: skip
    for needed, parts in groups:
        if not any(map(occurs, needed)):
            for part, otherwise in parts:
                assert part in sql, part
                sql = sql.replace(part, otherwise)
    return sql
