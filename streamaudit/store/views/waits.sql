-- Whether a call that was cut short had shown no visible token yet, so that its wait for one lasted until the cut. A
-- missing time is evidence where the source records it for this model (``recorded``, a list of ``recorder_key``), or
-- where nothing visible was delivered; whatever was delivered or shown is evidence against it.
CREATE OR REPLACE TEMP MACRO recorder_key(source, model) AS concat_ws(chr(31), source, model);
CREATE OR REPLACE TEMP MACRO cut_before_visible(outcome, ttft_status, ttvt_ms, delivered, rendered, visible_chars, key,
        recorded) AS
    CASE
        WHEN outcome NOT IN ('cancelled', 'timeout') OR ttft_status NOT IN ('usable', 'censored') OR ttvt_ms > 0
            OR delivered > 0 OR rendered > 0 OR visible_chars > 0 THEN false
        ELSE delivered = 0 OR visible_chars = 0 OR list_contains(recorded, key)
    END;
