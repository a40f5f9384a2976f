"""SQL that the servers share: where a JSON log has its ids, and what a response is."""

IDS = """
    logged(json_extract_string(record, ['/request_id', '/x_request_id', '/http_x_request_id', '/x-request-id',
        '/req_id', '/requestId'])) AS request_id,
    logged(json_extract_string(record, ['/litellm_call_id', '/upstream_http_x_litellm_call_id', '/x_litellm_call_id',
        '/x-litellm-call-id', '/http_x_litellm_call_id'])) AS litellm_call_id,
    logged(json_extract_string(record, ['/nginx_request_id', '/own_id', '/unique_id',
        '/http_x_request_id', '/x_request_id'])) AS own_id,
    logged(json_extract_string(record, ['/response_id', '/generation_id', '/usage_id', '/upstream_http_x_generation_id',
        '/upstream_http_x_response_id', '/upstream_http_x_usage_id', '/x_generation_id'])) AS response_id,
    trace_of(logged(json_extract_string(record, ['/traceparent', '/http_traceparent', '/trace_id', '/traceId'])))
        AS trace_id
"""
"""The ids of a record, as a configuration may have named them."""

RESPONSE = """
    logged(json_extract_string(record, ['/content_type', '/ct', '/sent_http_content_type', '/resp_content_type',
        '/response_content_type'])) AS content_type,
    logged(json_extract_string(record, ['/content_encoding', '/encoding', '/sent_http_content_encoding',
        '/resp_content_encoding', '/response_content_encoding'])) AS encoding
"""
"""Type and compression of the response."""
