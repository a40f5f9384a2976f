"""SQL fragments that read the stages of a voice turn from the spans of LiveKit Agents and Pipecat, as source modules of
their names for ``_otel_spans``.

LiveKit (livekit/agents, ``telemetry/trace_types.py``, August 2026) puts a whole session into one trace: ``user_turn``
with the delays of the transcript and of the end of the turn, ``eou_detection`` inside it with the endpointing delay,
and ``agent_turn`` with ``llm_node`` > ``llm_request`` and ``tts_node`` > ``tts_request``. Pipecat
(``utils/tracing``, August 2026) has ``conversation`` > ``turn`` > ``stt``, ``llm`` and ``tts``, each with
``metrics.ttfb``. All of these are seconds, and 0 or -1 stands for a wait that was not measured.
"""

KEYS = (
    "lk.eou.endpointing_delay", "lk.transcription_delay", "lk.end_of_turn_delay", "lk.end_of_utterance_delay",
    "lk.response.ttft", "lk.response.ttfb", "lk.llm_metrics", "lk.tts_metrics", "lk.realtime_model_metrics",
    "lk.e2e_latency", "lk.interrupted", "lk.generation_id", "lk.function_tools", "lk.tts.streaming", "metrics.ttfb",
    "turn.number", "turn.user_bot_latency_seconds",
)  # fmt: skip
"""Attributes that show a step of a voice turn; a name beginning with livekit does so too."""

NAMED = f"""
        (name IN ('user_turn', 'tts_node') AND starts_with(scope, 'livekit'))
            OR len(list_filter({list(KEYS)}, lambda k: vals[list_position(keys, k)] IS NOT NULL)) > 0 AS is_voice,
"""
"""Column of ``named``."""

OPENED = """
        CASE WHEN is_voice THEN json_of(coalesce(attribute(keys, vals, 'lk.llm_metrics'),
            attribute(keys, vals, 'lk.realtime_model_metrics'))) END AS voice_metrics,
"""
"""Column of ``opened``: what LiveKit measured of a call."""

TYPED = """
        CASE WHEN is_voice THEN nullif(list_filter([
            {'stage': 'endpointing', 'ms': number_of(attribute(keys, vals, 'lk.eou.endpointing_delay')) * 1000},
            {'stage': 'stt', 'ms': number_of(attribute(keys, vals, 'lk.transcription_delay')) * 1000},
            {'stage': 'end_of_turn', 'ms': number_of(coalesce(attribute(keys, vals, 'lk.end_of_turn_delay'),
                attribute(keys, vals, 'lk.end_of_utterance_delay'))) * 1000},
            {'stage': 'llm', 'ms': number_of(coalesce(attribute(keys, vals, 'lk.response.ttft'),
                voice_metrics->>'ttft')) * 1000},
            {'stage': 'tts', 'ms': number_of(coalesce(attribute(keys, vals, 'lk.response.ttfb'),
                json_of(attribute(keys, vals, 'lk.tts_metrics'))->>'ttfb')) * 1000},
            {'stage': lower(attribute(keys, vals, 'gen_ai.operation.name')),
                'ms': CASE WHEN lower(attribute(keys, vals, 'gen_ai.operation.name')) IN ('stt', 'tts')
                    THEN number_of(attribute(keys, vals, 'metrics.ttfb')) * 1000 END},
            {'stage': 'turn', 'ms': number_of(coalesce(attribute(keys, vals, 'lk.e2e_latency'),
                attribute(keys, vals, 'turn.user_bot_latency_seconds'))) * 1000}
        ], lambda s: s.ms > 0), []) END AS stages,
        -- Pipecat calls the last turn interrupted because the conversation ended.
        CASE WHEN is_voice AND bool_of(attribute(keys, vals, 'turn.ended_by_conversation_end')) IS DISTINCT FROM true
            THEN bool_of(coalesce(attribute(keys, vals, 'lk.interrupted'),
                attribute(keys, vals, 'turn.was_interrupted'))) END AS interrupted,
"""
"""Columns of ``typed``."""

SORTED = """
        -- What a step of a voice turn is; model and provider next to it are those of speech, not of a language model.
        CASE
            WHEN NOT coalesce(is_voice, false) OR operation_word IN ('chat', 'text_completion') THEN NULL
            WHEN operation_word IN ('stt', 'tts') THEN operation_word
            -- LiveKit 1.8 calls its answer an agent that is invoked.
            WHEN operation_word = 'invoke_agent'
                AND (name = 'agent_turn' OR attribute(keys, vals, 'lk.generation_id') IS NOT NULL) THEN 'agent_turn'
            WHEN operation_word IS NOT NULL THEN NULL
            WHEN attribute(keys, vals, 'turn.number') IS NOT NULL THEN 'turn'
            WHEN name IN ('user_turn', 'agent_turn') THEN name
            WHEN name = 'tts_node' THEN 'tts'
            WHEN name = 'llm_node' THEN 'llm_node'
            WHEN len(list_filter(stages, lambda s: s.stage = 'end_of_turn')) > 0 THEN 'user_turn'
            WHEN attribute(keys, vals, 'lk.eou.endpointing_delay') IS NOT NULL THEN 'endpointing'
            WHEN coalesce(attribute(keys, vals, 'lk.tts_metrics'), attribute(keys, vals, 'lk.response.ttfb'),
                attribute(keys, vals, 'lk.tts.streaming')) IS NOT NULL THEN 'tts'
            WHEN voice_metrics IS NULL THEN 'agent_turn'
        END AS voice_kind,
"""
"""Column of ``sorted``: ``voice_kind``, NULL for a call and for what is no step of a voice turn."""

FRAGMENTS = {"voice_named": NAMED, "voice_opened": OPENED, "voice_typed": TYPED, "voice_sorted": SORTED}
NO_VOICE = {
    "voice_named": "false AS is_voice,", "voice_opened": "NULL::JSON AS voice_metrics,",
    "voice_typed": "NULL::STRUCT(stage VARCHAR, ms DOUBLE)[] AS stages, NULL::BOOLEAN AS interrupted,",
    "voice_sorted": "NULL::VARCHAR AS voice_kind,",
}  # fmt: skip
"""The same columns for spans none of which is a step of a voice turn."""
