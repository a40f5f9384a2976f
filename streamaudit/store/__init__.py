"""The DuckDB file: connection, schema, migrations, the views that define the vocabulary, prices and lookups.

In come statements with bound values; out come rows. ``store.connection`` is the only module that imports duckdb. The
views decide once what an outcome and a tax are; the room knows no command, no report and no vendor.
"""
