"""Engines that answer portable SQL over an exported folder: DuckDB, or a server that speaks Spark Connect.

No other room knows which one it is.
"""
