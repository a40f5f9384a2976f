-- One line a call in streamaudit's own field names: a chat fleet over 30 days, 6 % of it cancelled.
SELECT
    '{"request_id":"' || lpad(lower(hex(hash(16 * i + 1))), 16, '0')
    || '","trace_id":"' || lpad(lower(hex(hash(16 * i + 2))), 16, '0') || lpad(lower(hex(hash(16 * i + 14))), 16, '0')
    || '","start_time":"' || strftime(TIMESTAMP '2026-10-01' + to_microseconds((u_start * 2592e9)::BIGINT), '%Y-%m-%dT%H:%M:%S.%fZ')
    || '","duration_ms":' || round(duration, 3)
    || ',"stream":true'
    || CASE WHEN outcome = 'error' THEN '' ELSE ',"time_to_first_chunk_ms":' || round(ttft, 3) END
    || ',"provider":"' || provider || '","request_model":"' || model
    || '","route":"' || ['/v1/chat', '/v1/search', '/v1/agent', '/v1/summary', '/v1/draft', '/v1/support'][1 + (u_route * u_route * 6)::INTEGER % 6]
    || '","service_version":"2026.10.' || (1 + (u_start * 5)::INTEGER)
    || '","tenant_id":"t-' || tenant || '","user_id":"u-' || tenant || '-' || (u_user * 500)::INTEGER
    || '"' || CASE WHEN known THEN ',"input_tokens":' || input_tokens || ',"output_tokens":' || output_tokens
        || ',"reasoning_output_tokens":' || reasoning || ',"usage_source":"provider_final","cost_usd":'
        || round(input_tokens * 2.5e-7 + output_tokens * 2e-6, 8)
        ELSE ',"usage_source":"none"' END
    || CASE WHEN outcome = 'cancelled' THEN ',"streamed_output_tokens":' || delivered
        || ',"rendered_output_tokens":' || (delivered * u_rendered)::INTEGER ELSE '' END
    || ',"outcome":"' || outcome || '"' || CASE WHEN outcome = 'completed' THEN ',"finish_reason":"stop"' ELSE '' END
    || ',"http_status_code":' || CASE outcome WHEN 'error' THEN 500 WHEN 'timeout' THEN 504 ELSE 200 END || '}'
FROM (
    SELECT
        *,
        ['gpt-5', 'gpt-5-mini', 'claude-sonnet-4-5', 'claude-haiku-4-5', 'gemini-2.5-flash'][m] AS model,
        ['openai', 'openai', 'anthropic', 'anthropic', 'google'][m] AS provider,
        CASE WHEN u_outcome < 0.06 THEN 'cancelled' WHEN u_outcome < 0.075 THEN 'error' WHEN u_outcome < 0.08 THEN 'timeout'
            ELSE 'completed' END AS outcome,
        u_outcome >= 0.08 OR u_outcome < 0.045 AS known,
        CASE WHEN m IN (1, 3) THEN (output_tokens * u_rendered * 0.6)::INTEGER ELSE 0 END AS reasoning,
        (output_tokens * u_rendered * 0.3)::INTEGER AS delivered,
        ttft + output_tokens * 8.0 AS duration
    FROM (
        SELECT
            *,
            1 + (u_model * 5)::INTEGER % 5 AS m,
            (u_tenant * u_tenant * 39)::INTEGER AS tenant,
            exp(6.2 + 0.7 * sqrt(-2 * ln(u_a)) * cos(6.283185307 * u_b)) AS ttft,
            20 + (u_in * u_in * 9000)::INTEGER AS input_tokens,
            20 + (u_out * u_out * 1500)::INTEGER AS output_tokens
        FROM (
            SELECT
                i,
                hash(16 * i + 3) / 18446744073709551616.0 AS u_start, hash(16 * i + 4) / 18446744073709551616.0 AS u_route,
                hash(16 * i + 5) / 18446744073709551616.0 AS u_user, hash(16 * i + 6) / 18446744073709551616.0 AS u_rendered,
                hash(16 * i + 7) / 18446744073709551616.0 AS u_outcome, hash(16 * i + 8) / 18446744073709551616.0 AS u_model,
                hash(16 * i + 9) / 18446744073709551616.0 AS u_tenant, (hash(16 * i + 10) + 1.0) / 18446744073709551616.0 AS u_a,
                hash(16 * i + 11) / 18446744073709551616.0 AS u_b, hash(16 * i + 12) / 18446744073709551616.0 AS u_in,
                hash(16 * i + 13) / 18446744073709551616.0 AS u_out
            FROM range($records) AS numbers (i)
        )
    )
)
