-- From version 5: the waits of voice turns, turns that the user spoke over, and the transport of requests.
ALTER TABLE spans ADD COLUMN transport VARCHAR;
ALTER TABLE spans ADD COLUMN stages STRUCT(stage VARCHAR, ms DOUBLE)[];
ALTER TABLE spans ADD COLUMN interrupted BOOLEAN;
COMMENT ON COLUMN calls.retractions IS 'Visible self-corrections: where in the answer, when (milliseconds after the request; NULL where it was not streamed) and which marker; empty where the answer was read and has none, NULL where it was not read. No text.';
COMMENT ON COLUMN spans.kind IS 'tool, agent, workflow, retrieval, event, stt, tts, endpointing, turn, ...';
COMMENT ON COLUMN spans.transport IS 'As in calls; a call without a transport takes that of the request that it sent.';
COMMENT ON COLUMN spans.stages IS 'Waits of a voice turn that the step recorded, in milliseconds: endpointing, stt, end_of_turn (both), llm, tts, turn (all of it); NULL when it recorded none.';
COMMENT ON COLUMN spans.interrupted IS 'True where the user spoke over the agent''s turn; NULL when not recorded.';
COMMENT ON COLUMN spans.record_hash IS 'Hash of the normalised record; of two records of one span one that has ended is kept, else the larger hash.';
