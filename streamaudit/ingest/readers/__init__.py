"""Containers: how records are found in JSON lines, arrays, pages, CSV and Parquet, plain or compressed.

In comes a file name; out goes an ``InputFile`` with the SELECT that yields its records as JSON. A reader knows
containers, never formats: which source claims a file is decided in ``ingest.sources``.
"""
