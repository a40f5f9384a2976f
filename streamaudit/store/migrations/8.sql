-- From version 7: what servers and clients log of a stream besides tokens.
ALTER TABLE evidence ADD COLUMN server VARCHAR;
ALTER TABLE evidence ADD COLUMN delivered_chunks BIGINT;
ALTER TABLE evidence ADD COLUMN delivered_chars BIGINT;
ALTER TABLE evidence ADD COLUMN delivered_bytes BIGINT;
ALTER TABLE evidence ADD COLUMN late_chunks INTEGER;
ALTER TABLE evidence ADD COLUMN ttfb_ms DOUBLE;
ALTER TABLE evidence ADD COLUMN client_ttft_ms DOUBLE;
ALTER TABLE evidence ADD COLUMN upstream_held_ms DOUBLE;
COMMENT ON COLUMN evidence.server IS 'Server or recorder that logged it, such as nginx; NULL for any other file.';
COMMENT ON COLUMN evidence.delivered_chunks IS 'Events handed to the client.';
COMMENT ON COLUMN evidence.delivered_chars IS 'Characters of answer handed to the client.';
COMMENT ON COLUMN evidence.delivered_bytes IS 'Bytes handed to the client, with the framing and headers that its server counts; NULL where they were compressed.';
COMMENT ON COLUMN evidence.late_chunks IS 'Events that its server may have counted although the client had left; NULL where that was not measured.';
COMMENT ON COLUMN evidence.ttfb_ms IS 'When the response began, milliseconds after the server began to read the request; it need not be the first token.';
COMMENT ON COLUMN evidence.client_ttft_ms IS 'When the client showed the first text, milliseconds after it asked.';
COMMENT ON COLUMN evidence.upstream_held_ms IS 'Of a stream whose client left, until when the server kept the connection to its upstream.';
COMMENT ON COLUMN taxes.delivered_rule IS 'What the delivered interval rests on: delivered, chunks, delivered_chunks, delivered_chars, delivered_bytes, text; NULL when on nothing.';
COMMENT ON COLUMN taxes.rendered_rule IS 'What the rendered interval rests on: rendered, rendered_chunks, nothing_delivered, stopped_before_first_token, rendered_text, delivered_counts_as_rendered, delivered_learned, chunks_until_cancel, received_text, even_pace; NULL when on nothing.';
