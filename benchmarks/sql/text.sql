-- Langfuse bucket export (observations_v2), one observation a line: agent runs of five steps, long prompts and answers.
WITH words AS (
    SELECT string_split(
        'account address agent answer balance before billing branch budget cancel carrier change claim client contract credit '
        || 'customer date delay delivery deploy detail email error every export field file first from have history invoice '
        || 'item label line list manager market message model month name notice number offer order outage owner parcel '
        || 'payment plan please point policy price product quarter question quote rate record refund region renew report '
        || 'request result return review route sale search service ship signal since stock store summary support system '
        || 'table team that this ticket time token total trace update user value vendor voice wait week when where with '
        || 'window work année größe naïve 漢字 '' — …', ' ') AS list
), written AS (
    -- 1,021 passages of 0.7 to 4.2 kB, escaped as they stand in a JSON string.
    SELECT p, string_agg(
        list[1 + (hash(1024 * w + p + 77) % len(list))::INTEGER]
        || CASE WHEN w % 17 = 16 THEN '.\n' WHEN w % 29 = 28 THEN ' \"sic\"' ELSE '' END, ' ' ORDER BY w) AS plain
    FROM range(1021) AS ps (p), range(620) AS ws (w), words
    WHERE w < 100 + hash(p) % 520
    GROUP BY p
), passages AS MATERIALIZED (
    -- Nested: escaped once more, for the text of a JSON document inside a JSON string.
    SELECT p::UBIGINT AS p, plain, replace(replace(plain, '\"', '\\\"'), '\n', '\\n') AS nested FROM written
), drawn AS (
    SELECT
        i, i // 5 AS t, i % 5 AS step,
        hash(16 * (i // 5) + 1) / 18446744073709551616.0 AS u_start,
        hash(16 * (i // 5) + 2) / 18446744073709551616.0 AS u_tenant,
        hash(16 * i + 3) / 18446744073709551616.0 AS u_outcome,
        (hash(16 * i + 4) + 1.0) / 18446744073709551616.0 AS u_a,
        hash(16 * i + 5) / 18446744073709551616.0 AS u_b,
        hash(16 * (i // 5) + 6) % 7 AS system_passage, hash(16 * i + 7) % 1021 AS first_passage,
        hash(16 * i + 8) % 1021 AS second_passage, hash(16 * i + 12) % 1021 AS answer_passage
    FROM range($records) AS numbers (i)
), timed AS (
    SELECT
        drawn.*,
        system.nested AS system_text, first.nested || '\\n\\n' || second.nested AS user_text, answer.plain AS answer_text,
        step IN (1, 3, 4) AS is_call,
        TIMESTAMP '2026-10-01' + to_microseconds((u_start * 2592e9)::BIGINT + step * 2_000_003) AS started,
        exp(6.2 + 0.5 * sqrt(-2 * ln(u_a)) * cos(6.283185307 * u_b)) AS ttft,
        2.0 * length(answer.plain) AS spoken,
        ['gpt-5-2025-08-07', 'claude-sonnet-4-5-20250929', 'gemini-2.5-flash'][1 + (t % 3)::INTEGER] AS model,
        ['openai', 'anthropic', 'google'][1 + (t % 3)::INTEGER] AS provider,
        't-' || (u_tenant * u_tenant * 39)::INTEGER AS tenant,
        ['/v1/chat', '/v1/search', '/v1/agent', '/v1/summary'][1 + (t % 4)::INTEGER] AS route,
        u_outcome < 0.06 AS cancelled,
        (length(system.nested) + length(first.nested) + length(second.nested)) // 4 AS input_tokens,
        length(answer.plain) // 4 AS output_tokens
    FROM drawn
    JOIN passages AS system ON system.p = drawn.system_passage
    JOIN passages AS first ON first.p = drawn.first_passage
    JOIN passages AS second ON second.p = drawn.second_passage
    JOIN passages AS answer ON answer.p = drawn.answer_passage
), ended AS (
    SELECT *, started + to_microseconds(((CASE WHEN step = 0 THEN 9500 ELSE ttft + spoken END) * 1000)::BIGINT) AS finished
    FROM timed
)
SELECT
    '{"id":"' || lpad(lower(hex(hash(16 * i + 9))), 16, '0')
    || '","trace_id":"' || lpad(lower(hex(hash(16 * t + 10))), 16, '0') || lpad(lower(hex(hash(16 * t + 11))), 16, '0')
    || '","start_time":"' || strftime(started, '%Y-%m-%d %H:%M:%S.%f') || '","end_time":"' || strftime(finished, '%Y-%m-%d %H:%M:%S.%f')
    || '","parent_observation_id":"' || CASE WHEN step = 0 THEN '' ELSE lpad(lower(hex(hash(16 * (5 * t) + 9))), 16, '0') END
    || '","type":"' || ['AGENT', 'GENERATION', 'TOOL', 'GENERATION', 'GENERATION'][1 + step::INTEGER]
    || '","name":"' || ['run', 'plan', 'lookup', 'answer', 'check'][1 + step::INTEGER]
    || '","level":"DEFAULT","status_message":"","version":"2026.10.' || (1 + (u_start * 4)::INTEGER)
    || '","environment":"production","user_id":"u-' || tenant || '-' || (t % 500)
    || '","session_id":"s-' || (t // 3) || '","is_root_observation":' || (step = 0)
    || ',"completion_start_time":'
    || CASE WHEN is_call THEN strftime(started + to_microseconds((ttft * 1000)::BIGINT), '"%Y-%m-%d %H:%M:%S.%f"') ELSE 'null' END
    || ',"updated_at":"' || strftime(finished + INTERVAL 3 SECOND, '%Y-%m-%d %H:%M:%S.%f')
    || '","provided_model_name":"' || CASE WHEN is_call THEN model ELSE '' END
    || '","model_parameters":"' || CASE WHEN is_call THEN '{\"max_tokens\":4096,\"temperature\":0.2}' ELSE '' END
    || '","usage_details":'
    || CASE WHEN is_call THEN '{"input":' || input_tokens || ',"output":' || output_tokens || ',"total":' || (input_tokens + output_tokens) || '}' ELSE '{}' END
    || ',"cost_details":'
    || CASE WHEN is_call THEN '{"input":' || round(input_tokens * 2.5e-7, 8) || ',"output":' || round(output_tokens * 2e-6, 8)
        || ',"total":' || round(input_tokens * 2.5e-7 + output_tokens * 2e-6, 8) || '}' ELSE '{}' END
    || ',"total_cost":' || CASE WHEN is_call THEN round(input_tokens * 2.5e-7 + output_tokens * 2e-6, 8)::VARCHAR ELSE '0' END
    || ',"latency":' || round((epoch_us(finished) - epoch_us(started)) / 1e6, 3)
    || ',"tags":[],"release":"2026.10.' || (1 + (u_start * 4)::INTEGER) || '","trace_name":"' || route
    || '","input":"[{\"role\":\"system\",\"content\":\"' || system_text || '\"},{\"role\":\"user\",\"content\":\"' || user_text
    || '\"}]","output":"' || answer_text
    || '","metadata":{"tenant":"' || tenant || '","route":"' || route || '","provider":"' || provider || '","stream":"true"'
    || CASE WHEN is_call AND cancelled
        THEN ',"outcome":"cancelled","streamed_output_tokens":"' || output_tokens // 3 || '","rendered_tokens":"' || output_tokens // 4 || '"'
        WHEN is_call THEN ',"finish_reason":"stop"' ELSE '' END
    || '}}'
FROM ended
