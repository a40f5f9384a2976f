"""Benchmarks: measured ratios against bare DuckDB and peers, never asserted by a test."""
