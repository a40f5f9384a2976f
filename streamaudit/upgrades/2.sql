-- From version 1: lookups in the store, and the sampling of a load.
ALTER TABLE loads ADD COLUMN sample_rate DOUBLE;
COMMENT ON COLUMN loads.sample_rate IS 'Share of the calls that the exporter kept (--sample-rate), 0 to 1; NULL unknown.';

CREATE TABLE lookups (
    field      VARCHAR NOT NULL,
    key_column VARCHAR NOT NULL,
    key        VARCHAR NOT NULL,
    value      VARCHAR NOT NULL
);
COMMENT ON TABLE lookups IS 'Values given to a dimension by the value of another column ([lookup] of the configuration).';
COMMENT ON COLUMN lookups.field IS 'Dimension that gets the value.';
COMMENT ON COLUMN lookups.key_column IS 'Column whose value is looked up.';
COMMENT ON COLUMN lookups.key IS 'Its value.';
COMMENT ON COLUMN lookups.value IS 'What the dimension becomes; calls with no entry keep what they have.';
COMMENT ON COLUMN loads.digest IS 'Format, its version and a hash of the field mapping; a new digest reads the file again.';
