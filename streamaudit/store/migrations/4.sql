-- From version 3: where the reading of a file that grows goes on.
ALTER TABLE loads ADD COLUMN continues BIGINT;
ALTER TABLE loads ADD COLUMN end_byte BIGINT;
ALTER TABLE loads ADD COLUMN end_line BIGINT;
ALTER TABLE loads ADD COLUMN end_record BIGINT;
ALTER TABLE loads ADD COLUMN content_before VARCHAR;
COMMENT ON COLUMN loads.continues IS 'The load that read the same file before it grew, of which this one read on; NULL when it began at the start.';
COMMENT ON COLUMN loads.end_byte IS 'Byte after the last record read of a file of lines, where a later load goes on; NULL when the file has to be read whole.';
COMMENT ON COLUMN loads.end_line IS 'Lines before that byte; NULL not counted.';
COMMENT ON COLUMN loads.end_record IS 'Lines before that byte that are not blank; NULL not counted.';
COMMENT ON COLUMN loads.content_before IS 'Hash of the first and last bytes before it, which tells a file that grew from another one of its name.';
