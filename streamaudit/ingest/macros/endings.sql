-- How a call ended, from a finish reason, a status, an error or a word.

-- How a word or a class of error tells that the client or the user left, or that a deadline cut the call.
CREATE OR REPLACE TEMP MACRO says_cancelled(x) AS
    regexp_matches(lower(x), 'cancel|abort|abandon|^(499|460)$|generatorexit|keyboard.?interrupt|broken ?pipe|\bepipe\b|econnreset|connectionreset|premature.?close|h[au]ng.?up|(user|client|caller|consumer|browser|downstream).?(side.?|has.?|remote.?)?(disconnect|closed|gone|left|went.?away|quit|dropped|interrupt|terminat|stopped|stop$)|(closed|stopped|interrupted|terminated|ended|killed|dropped).?by.?(the.?)?(user|client|caller|consumer|browser|downstream)'); -- noqa: LT05
CREATE OR REPLACE TEMP MACRO says_timeout(x) AS
    regexp_matches(lower(x), 'time.?out|timed.?out|deadline|max streaming duration|^(408|504|524)$');

-- The class or code at the head of an error text; the message behind it may quote a prompt and is dropped.
CREATE OR REPLACE TEMP MACRO error_class(x) AS
    nullif(regexp_extract(x, '^\s*([A-Za-z_][A-Za-z0-9_.]{0,80}(?:Error|Exception|Timeout|Abort|Cancelled|Canceled|Exit|Disconnect|Disconnected|Limit|Exceeded)|[1-5]\d\d)(?:$|\W)', 1), ''); -- noqa: LT05
-- A short code such as a finish reason: one word, or nothing.
CREATE OR REPLACE TEMP MACRO code_word(x) AS CASE WHEN regexp_full_match(x, '[A-Za-z0-9_.:/-]{1,60}') THEN x END;

-- Whether a finish reason is a vendor's own word for an answer that reached its cap, or the window of its model;
-- max_tokens stays as it is. The Responses API calls such an answer incomplete.
CREATE OR REPLACE TEMP MACRO is_length(x) AS
    lower(x) IN ('length', 'incomplete', 'max_output_tokens', 'max_new_tokens', 'max_completion_tokens', 'max_length',
        'max_len', 'model_length', 'token_limit', 'model_context_window_exceeded', 'finishreason.max_tokens',
        'finish_reason_max_tokens', 'finish_reason_length', 'reason_max_len', 'reason_max_context', 'maxtokens');

-- A finish reason; NULL for a word that is written where there is none yet, or none came.
CREATE OR REPLACE TEMP MACRO reason_of(x) AS
    CASE WHEN lower(x) NOT IN ('', 'unknown', 'null', 'none', 'nil', 'nan', 'undefined', 'n/a', 'unspecified',
        'finish_reason_unspecified', 'in_progress', 'pending') THEN x END;

-- The same of an error message, which is prose: its class (error_class) decides, else a phrase that names who stopped
-- it, or a status. A message of one word is a code.
CREATE OR REPLACE TEMP MACRO message_says_cancelled(class, x) AS
    coalesce(says_cancelled(class), false) OR list_transform([lower(x)], lambda m:
        (regexp_full_match(m, '\s*[\w.:=/\[\]()-]{1,60}\s*') AND says_cancelled(m))
        OR regexp_matches(m,
            '^\W*(\d+ |\w*(error|exception): )?(cancel|abort|abandon)(l?ed|ling|ing)?\W*(:|via|$)|generatorexit|econnreset|\bepipe\b|socket hang ?up|premature.?close|broken ?pipe|(abort|cancell?ed)_?(error|exception)|cancellationexception|client.?(side |has |was )?(disconnected|closed|went away|gone|left|hung up)|(request|response|stream|call|task|run|generation|completion|connection|operation|context|query|buffer|coroutine|job|fetch|signal) (was |has been |is )?(cancel|abort|abandon)|(cancel|abort|abandon)(l?ed|ing) by|(cancel|abort|abandon)(l?ed|ed) (a |an |the |this |its )?(request|response|stream|generation|completion|call|connection|operation)|^\W*(the |a )?(user|client|caller|consumer|browser) (has )?(cancel|abort|abandon|disconnect|interrupt|stopp)(l?ed|ed)|(stopp|interrupt|terminat|clos)ed by (the )?(user|client|caller|consumer|browser|downstream)|(code|status) ?[=:] ?(statuscode[.])?cancell?ed|(http(/[\d.]+)?|status|code)\W*(code\W*)?499\b'))[1]; -- noqa: LT05
CREATE OR REPLACE TEMP MACRO message_says_timeout(class, x) AS
    coalesce(says_timeout(class), false)
    OR regexp_matches(lower(x), 'timed.?out|time.?out|deadline.?exceeded|max streaming duration|(http(/[\d.]+)?|status|code)\W*(code\W*)?(408|504|524)\b'); -- noqa: LT05

-- True when any of several flags is true, false when one is false and none is true.
CREATE OR REPLACE TEMP MACRO flag_of(l) AS list_max(list_transform(l, lambda v: bool_of(v)));

CREATE OR REPLACE TEMP MACRO status_outcome(code) AS
    CASE WHEN code IN (499, 460) THEN 'cancelled' WHEN code IN (408, 504, 524) THEN 'timeout'
        WHEN code >= 400 THEN 'error' WHEN code >= 100 THEN 'completed' END;

CREATE OR REPLACE TEMP MACRO outcome_word(x) AS list_transform([lower(x)], lambda w: CASE
    WHEN w IS NULL THEN NULL
    WHEN w IN ('completed', 'complete', 'success', 'successful', 'succeeded', 'succeed', 'ok', 'done', 'finished',
        'passed') THEN 'completed'
    WHEN w IN ('timeout', 'timed_out', 'deadline_exceeded') THEN 'timeout'
    WHEN w IN ('error', 'failed', 'failure', 'fail', 'errored', 'exception', 'rejected', 'rate_limited') THEN 'error'
    WHEN w IN ('interrupted', 'incomplete') THEN 'interrupted'
    WHEN w = 'unknown' THEN 'unknown'
    -- The usual finish reasons, none of which fits a pattern below: to find that out takes three times as long.
    WHEN w IN ('stop', 'end_turn', 'length', 'max_tokens', 'tool_calls', 'tool_use', 'stop_sequence', 'content_filter')
        THEN 'unrecognised'
    -- An HTTP status, alone or with its reason: 499 Client Closed Request, HTTP/1.1 504.
    WHEN regexp_matches(w, '^(http(/[\d.]+)?[ _:-]?)?[1-5]\d\d([ _:-]\D*)?$')
        THEN status_outcome(try_cast(regexp_extract(w, '[1-5]\d\d(?:\D*)$')[:3] AS INTEGER))
    -- A deadline may abort a call; who failed may quote either.
    WHEN says_timeout(w) THEN 'timeout'
    WHEN regexp_matches(w, '^(errored|failed)[,;: ]') AND NOT says_cancelled(w) THEN 'error'
    WHEN says_cancelled(w) OR contains(w, 'disconnect') THEN 'cancelled'
    WHEN regexp_matches(w, '[a-z](_|-)(error|failed|failure|exception)$') AND NOT starts_with(w, 'no') THEN 'error'
    WHEN w <> '' THEN 'unrecognised'
END)[1];

-- How a call ended, from a field that people use for it: a word, a flag, an HTTP status, or an error's own text.
CREATE OR REPLACE TEMP MACRO is_error_text(x) AS
    x IS NOT NULL
    AND lower(trim(x)) NOT IN ('', 'false', '0', 'none', 'null', 'nil', 'undefined', 'no', 'ok', 'nan', '{}', '[]',
        '-', 'n/a');
CREATE OR REPLACE TEMP MACRO outcome_of(x, is_error) AS
    CASE
        WHEN x IS NULL THEN NULL
        WHEN is_error AND NOT is_error_text(x) THEN 'completed'
        WHEN is_error AND message_says_timeout(error_class(x), x) THEN 'timeout'
        WHEN is_error AND message_says_cancelled(error_class(x), x) THEN 'cancelled'
        WHEN is_error THEN 'error'
        WHEN regexp_full_match(x, '[1-5]\d\d') THEN status_outcome(try_cast(x AS INTEGER))
        WHEN bool_of(x) IS NOT NULL THEN CASE WHEN bool_of(x) THEN 'completed' ELSE 'error' END
        ELSE outcome_word(x)
    END;

-- The start as what was not of its kind, where it has text that is no instant, not even one out of range.
CREATE OR REPLACE TEMP MACRO start_misfit(x) AS
    CASE WHEN reason_of(x) IS NOT NULL AND number_of(x) IS NULL AND try_cast(x AS TIMESTAMPTZ) IS NULL
        THEN ['start_time'] END;
