-- What is derived from the calls when they change, so that not every report has to; see views/kept.py.
-- As in schema.sql, a COMMENT ON statement is one line.

CREATE TABLE taxes (
    call_key             UBIGINT NOT NULL,
    ran_on               BOOLEAN,
    on_disconnect        VARCHAR,
    delivered_rule       VARCHAR,
    delivered_low        HUGEINT,
    delivered_best       HUGEINT,
    delivered_high       HUGEINT,
    billed_low           HUGEINT,
    billed_high          HUGEINT,
    rendered_rule        VARCHAR,
    rendered_low         HUGEINT,
    rendered_best        HUGEINT,
    rendered_high        HUGEINT,
    tax_class            VARCHAR,
    tax_rule             VARCHAR,
    tax_low              HUGEINT,
    tax_best             HUGEINT,
    tax_high             HUGEINT,
    usd_per_output_token DOUBLE,
    tax_hidden           HUGEINT,
    tax_unread           HUGEINT,
    tax_undelivered      HUGEINT,
    tax_orphaned         HUGEINT,
    saved_low            HUGEINT,
    saved_high           HUGEINT,
    tax_best_usd         DOUBLE,
    tax_low_usd          DOUBLE,
    tax_high_usd         DOUBLE,
    unseen_prompt        BOOLEAN,
    raised_low           HUGEINT
);
COMMENT ON TABLE taxes IS 'The cancellation tax of each call that ended early, as it was valued last. Empty while it is not up to date: it is then valued whenever it is read.';
COMMENT ON COLUMN taxes.call_key IS 'Hash of the call''s source and record_hash.';
COMMENT ON COLUMN taxes.ran_on IS 'The provider is known to have generated on after the client had left: upstream_cancelled is false, or the call ended more than 1,000 ms after the cut. False without such evidence.';
COMMENT ON COLUMN taxes.on_disconnect IS 'What the provider does when its client disconnects: stops, runs_on, contested; from the call''s own upstream_cancelled, else from streamaudit providers. NULL when not known.';
COMMENT ON COLUMN taxes.delivered_rule IS 'What the delivered interval rests on: delivered, chunks, delivered_chunks, delivered_chars, delivered_bytes, text; NULL when on nothing.';
COMMENT ON COLUMN taxes.delivered_low IS 'The fewest it can have been; 0 when nothing is known.';
COMMENT ON COLUMN taxes.delivered_best IS 'Output tokens that arrived at the client; NULL unknown.';
COMMENT ON COLUMN taxes.delivered_high IS 'The most it can have been; NULL when nothing is known.';
COMMENT ON COLUMN taxes.billed_low IS 'The fewest output tokens that can have been billed.';
COMMENT ON COLUMN taxes.billed_high IS 'The most that can have been billed; NULL when nothing bounds it, or when the bounds contradict each other.';
COMMENT ON COLUMN taxes.rendered_rule IS 'What the rendered interval rests on: rendered, rendered_chunks, nothing_delivered, stopped_before_first_token, rendered_text, delivered_counts_as_rendered, delivered_learned, chunks_until_cancel, received_text, even_pace; NULL when on nothing.';
COMMENT ON COLUMN taxes.rendered_low IS 'The fewest it can have been; 0 when nothing is known.';
COMMENT ON COLUMN taxes.rendered_best IS 'Output tokens shown to the user; NULL unknown.';
COMMENT ON COLUMN taxes.rendered_high IS 'The most it can have been; NULL when nothing bounds it.';
COMMENT ON COLUMN taxes.tax_class IS 'exact, estimated, bounded or unknown.';
COMMENT ON COLUMN taxes.tax_rule IS 'The rule that decided the class; streamaudit explain words it.';
COMMENT ON COLUMN taxes.tax_low IS 'Low end of the tax; 0 when unknown.';
COMMENT ON COLUMN taxes.tax_best IS 'Billed - rendered tokens, at least 0; NULL unless exact or estimated.';
COMMENT ON COLUMN taxes.tax_high IS 'High end of the tax; NULL when open.';
COMMENT ON COLUMN taxes.usd_per_output_token IS 'Price the tax is valued at: the call''s own output cost per token, else output_usd_per_token; NULL unpriced.';
COMMENT ON COLUMN taxes.tax_hidden IS 'Part of tax_best: billed reasoning. NULL when reasoning or tax is not known.';
COMMENT ON COLUMN taxes.tax_unread IS 'Part of tax_best: delivered, never shown. NULL when the evidence cannot say.';
COMMENT ON COLUMN taxes.tax_undelivered IS 'Part of tax_best: generated, never delivered. NULL when one of the other parts is.';
COMMENT ON COLUMN taxes.tax_orphaned IS 'The undelivered part of a call that ran on; 0 for one known to have stopped, else NULL.';
COMMENT ON COLUMN taxes.saved_low IS 'Tokens that stopping the provider at the cut would save at least; 0 when nothing is known.';
COMMENT ON COLUMN taxes.saved_high IS 'Tokens that it would save at most; NULL when open.';
COMMENT ON COLUMN taxes.tax_best_usd IS 'tax_best in US dollars, output only; NULL unpriced or without a value.';
COMMENT ON COLUMN taxes.tax_low_usd IS 'tax_low in US dollars; NULL unpriced.';
COMMENT ON COLUMN taxes.tax_high_usd IS 'tax_high in US dollars; NULL unpriced or open.';
COMMENT ON COLUMN taxes.unseen_prompt IS 'The prompt was billed and no token of its answer arrived: stopped_before_first_token.';
COMMENT ON COLUMN taxes.raised_low IS 'What was billed at least, where what was delivered says more of it than the call''s own count; NULL elsewhere.';
CREATE TABLE texts (
    model   VARCHAR,
    answers BIGINT NOT NULL,
    chars   HUGEINT,
    tokens  HUGEINT,
    fewest  DOUBLE,
    most    DOUBLE,
    reasons BOOLEAN
);
COMMENT ON TABLE texts IS 'Lengths of the answers of each model, by which a tax is estimated where only a text is known. Up to date when taxes is.';
COMMENT ON COLUMN texts.model IS 'Model; NULL for calls without one.';
COMMENT ON COLUMN texts.answers IS 'Completed answers of 20 tokens or more whose visible text is known.';
COMMENT ON COLUMN texts.chars IS 'Characters of these answers.';
COMMENT ON COLUMN texts.tokens IS 'Their visible tokens.';
COMMENT ON COLUMN texts.fewest IS 'Fewest characters per token in one of them.';
COMMENT ON COLUMN texts.most IS 'Most characters per token in one of them.';
COMMENT ON COLUMN texts.reasons IS 'Whether a completed call of the model has reasoning tokens; NULL where none says.';
