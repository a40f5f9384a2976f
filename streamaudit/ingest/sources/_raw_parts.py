"""Parts of the SQL of raw calls that need names of one group. Where none of these occurs in a file, a part is NULL, or
what is left of it: each takes longer to plan than a few records take to read.
"""

from collections.abc import Mapping
from typing import NamedTuple

from streamaudit.ingest.sources._raw_names import Names
from streamaudit.ingest.sources.registry import APP_KEYS, Occurs


class _Part(NamedTuple):
    """A part as it is, and as it is in a file without its names."""

    whole: str
    left: str


_ERROR = {
    "error_object": _Part(
        "CASE WHEN starts_with(error_text, '{{') THEN try_cast(error_text AS JSON) END", "NULL::JSON"
    ),
    "says_error": _Part(
        "\"error_type\" <> '' OR is_error_text(error_text) OR words[1] = 'error'", "words[1] = 'error'"
    ),
    "error_message": _Part(
        "coalesce(error_object->>'$.message', error_object->>'$.error.message', error_text)", "NULL::VARCHAR"
    ),
    "error_word": _Part(
        """coalesce(nullif("error_type", ''), error_object->>'$.type', error_object->>'$.name',
            error_object->>'$.code', error_object->>'$.error.type', error_object->>'$.error.code')""",
        "NULL::VARCHAR",
    ),
    "error_classes": _Part(
        "list_transform([error_word, error_message_text], lambda t: error_class(t))", "NULL::VARCHAR[]"
    ),
    "says_cancelled": _Part(
        """("error_type" <> '' AND says_cancelled("error_type"))
        OR (is_error_text(error_text)
            AND (says_cancelled(error_word) OR message_says_cancelled(classes[2], error_message_text)))""",
        "NULL::BOOLEAN",
    ),
    "says_timeout": _Part(
        """("error_type" <> '' AND says_timeout("error_type"))
        OR (is_error_text(error_text)
            AND (says_timeout(error_word) OR message_says_timeout(classes[2], error_message_text)))""",
        "NULL::BOOLEAN",
    ),
    "answered_status": _Part(
        """coalesce(http, try_cast(coalesce(error_object->>'$.status', error_object->>'$.status_code')
            AS INTEGER))""",
        "http",
    ),
    "error_code": _Part("coalesce(classes[1], code_word(error_word), classes[2])", "NULL::VARCHAR"),
}
_OUTCOME = {
    # Most records say it in one place; a list of four is judged as four words.
    "outcome_words": _Part(
        """CASE WHEN coalesce(status_word, "stream_status", first_filled(app[outcome])) IS NULL
            THEN [NULL, outcome_word("outcome"), NULL, NULL]
            ELSE list_transform([status_word, "outcome", "stream_status", first_filled(app[outcome])],
                lambda w: outcome_word(w))
        END""",
        "NULL::VARCHAR[]",
    ),
    # A known word takes precedence over an unknown one.
    "said_outcome": _Part(
        """CASE WHEN coalesce(words[2], 'unrecognised') = 'unrecognised' THEN coalesce(words[3], words[2])
        ELSE words[2] END""",
        "NULL::VARCHAR",
    ),
}
# A state or an event may be any word: only one that says how a call failed or was cut counts.
_STATE = {
    "said_state": _Part(
        """CASE WHEN bool_of(coalesce({finished})) = false THEN 'interrupted'
            ELSE outcome_word(code_word(coalesce({state}))) END""",
        "NULL::VARCHAR",
    ),
}
_VOICE = {
    # A line about a stage of a voice turn instead of a call.
    "voice_stage": _Part(
        """CASE WHEN "kind" IS NOT NULL AND lower("kind") IN ('stt', 'tts', 'endpointing') THEN lower("kind") END""",
        "NULL::VARCHAR",
    ),
    # Lines of one turn may share its id.
    "voice_id": _Part(
        """CASE WHEN voice_stage IS NOT NULL THEN concat_ws('/', own_id, voice_stage, CASE WHEN own_id IS NULL
        THEN md5(concat_ws('|', "trace_id", started, ended)) END) ELSE {call_id} END""",
        "{call_id}",
    ),
    "stages": _Part(
        """CASE WHEN voice_stage IS NOT NULL THEN nullif(list_filter([{{'stage': voice_stage, 'ms': coalesce({ttft_ms},
        {duration_ms}, span_ms(started, ended))::DOUBLE}}], lambda s: s.ms > 0), []) END""",
        "NULL::STRUCT(stage VARCHAR, ms DOUBLE)[]",
    ),
}
_TRANSPORT = {
    "transports": _Part(
        """CASE WHEN app IS NOT NULL OR tagged IS NOT NULL OR coalesce({transport}) IS NOT NULL THEN list_transform(
            [[{transport}], app[transport], tagged[transport]], lambda l: transport_of(l)) END""",
        "NULL::VARCHAR[]",
    ),
}
_CANCELLED = {
    "cancel_flag": _Part(
        """CASE WHEN coalesce({cancelled}, {cancel_reason}) IS NOT NULL OR app IS NOT NULL
        THEN flag_of(list_concat([{cancelled}, CASE WHEN is_error_text(coalesce({cancel_reason}))
            AND NOT says_timeout(coalesce({cancel_reason})) THEN 'true' END], app[cancelled])) END""",
        "NULL::BOOLEAN",
    ),
}
_END = {
    "ended": _Part("instant_utc({end_time})", "NULL::TIMESTAMP"),
    "started_or_implied": _Part("coalesce(started, later_by(ended, -({duration_ms})))", "started"),
}
_APP = {
    "app_values": _Part(
        """filled(json_extract_string(coalesce("metadata", "attributes", "extra"), $app_paths))""", "NULL::VARCHAR[]"
    ),
}
_TAGS = {
    "tag_values": _Part(
        """CASE WHEN "tags" IS NOT NULL THEN tag_values(try_cast("tags" AS VARCHAR[]), $tag_keys) END""",
        "NULL::VARCHAR[]",
    ),
}
# A provider's answer as it came has the reason in its first choice; that of an incomplete one says what ended it.
_CHOICES = {
    "answer_reason": _Part(
        """first_filled(json_extract_string(record, ['/choices/0/finish_reason', '/response/choices/0/finish_reason',
        '/response/body/choices/0/finish_reason', '/candidates/0/finishReason', '/response/candidates/0/finishReason',
        '/full_response/candidates/0/finishReason', '/promptFeedback/blockReason',
        '/incomplete_details/reason', '/response/incomplete_details/reason']) || json_extract_string(record,
        '$.output.outputBodyJson[*].delta.stop_reason'))""",
        "NULL::VARCHAR",
    ),
}
# The Responses API calls an answer incomplete that its cap or a filter ended. Elsewhere the word alone says that the
# stream broke off.
_INCOMPLETE = {
    "status_word": _Part(
        """CASE WHEN lower(coalesce({status})) IS DISTINCT FROM 'incomplete' THEN coalesce({status})
            WHEN NOT coalesce(json_extract_string(record, '/incomplete_details/reason') IS NOT NULL
            OR json_extract_string(record, '/object') = 'response'
            OR is_length(coalesce({finish_reason}))
            OR lower(coalesce({finish_reason})) IN ('max_tokens', 'content_filter')
            OR tokens_of(coalesce({output_tokens})) >= tokens_of(coalesce({max_tokens})), false)
            THEN coalesce({status}) END""",
        "coalesce({status})",
    ),
    "incomplete_reason": _Part(
        """CASE WHEN status_word IS NULL AND lower(coalesce({status})) = 'incomplete' THEN 'incomplete' END""",
        "NULL::VARCHAR",
    ),
}
_USAGE = {"usage_basis": _Part("""usage_word(coalesce("usage_source", "usage_basis"))""", "NULL::VARCHAR")}
_CANCELLED_BY = {"cancelled_by": _Part('code_word("cancelled_by")', "NULL::VARCHAR")}
_CHUNKS = {
    "arrivals": _Part(
        """offsets_of("chunk_offsets_ms", started, coalesce({duration_ms}, span_ms(started, ended)))""",
        "NULL::DOUBLE[]",
    ),
}
_CLIENT_CHUNKS = {
    "client_arrivals": _Part(
        """offsets_of("client_chunk_offsets_ms", started, coalesce({duration_ms}, span_ms(started, ended)))""",
        "NULL::DOUBLE[]",
    ),
}
_UPDATED = {"updated_at": _Part('instant_utc("updated_at")', "NULL::TIMESTAMP")}


def choose_parts(names: Names, occurs: Occurs) -> Mapping[str, str]:
    """Return the text of each part by its name; ``names`` are those tried for each column."""
    groups = (
        ((*names["error"], "error_type"), _ERROR),
        ((*names["status"], *names["outcome"], *APP_KEYS["outcome"]), _OUTCOME),
        ((*names.get("state", ()), *names.get("finished", ()), "object"), _STATE),
        (("kind",), _VOICE),
        ((*names["transport"], *APP_KEYS["transport"]), _TRANSPORT),
        ((*names["cancelled"], *names.get("cancel_reason", ()), *APP_KEYS["cancelled"]), _CANCELLED),
        (names["end_time"], _END),
        (("metadata", "attributes", "extra"), _APP),
        (("tags",), _TAGS),
        (("choices", "candidates", "incomplete_details", "delta", "promptFeedback"), _CHOICES),
        (("incomplete",), _INCOMPLETE),
        (("usage_source", "usage_basis"), _USAGE),
        (("cancelled_by",), _CANCELLED_BY),
        (("updated_at",), _UPDATED),
        (("chunk_offsets_ms",), _CHUNKS),
        (("client_chunk_offsets_ms",), _CLIENT_CHUNKS),
    )
    chosen: dict[str, str] = {}
    for needed, parts in groups:
        is_whole = any(map(occurs, needed))
        chosen |= {name: part.whole if is_whole else part.left for name, part in parts.items()}
    return chosen
