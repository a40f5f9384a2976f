-- From version 2: what was posted where.
CREATE TABLE deliveries (
    period     VARCHAR NOT NULL,
    target     VARCHAR NOT NULL,
    config     VARCHAR NOT NULL,
    kind       VARCHAR NOT NULL,
    state      VARCHAR NOT NULL,
    content    VARCHAR NOT NULL,
    attempts   INTEGER,
    started_at TIMESTAMP NOT NULL,
    ended_at   TIMESTAMP
);
COMMENT ON TABLE deliveries IS 'What weekly --post sent, one row a try; no address and no text of a message.';
COMMENT ON COLUMN deliveries.period IS 'What it is about, such as 2026-W47.';
COMMENT ON COLUMN deliveries.target IS 'Hash of the target''s address without its password.';
COMMENT ON COLUMN deliveries.config IS 'Hash of what was asked for: filters, zone, thresholds.';
COMMENT ON COLUMN deliveries.kind IS 'slack, teams, discord, mail, json, or the name of another service.';
COMMENT ON COLUMN deliveries.state IS 'pending (begun; where it stays so the process died, and the message may have arrived), sent or failed.';
COMMENT ON COLUMN deliveries.content IS 'Hash of the verdicts, movers and broken thresholds that were reported.';
COMMENT ON COLUMN deliveries.attempts IS 'How often it was tried; NULL while pending.';
COMMENT ON COLUMN deliveries.started_at IS 'UTC instant before the first attempt.';
COMMENT ON COLUMN deliveries.ended_at IS 'UTC instant after the last attempt; NULL while pending.';
