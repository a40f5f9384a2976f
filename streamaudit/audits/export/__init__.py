"""Export calls as Parquet or CSV for other tools."""
