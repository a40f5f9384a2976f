"""The layout of an exported folder, which ``export`` writes and ``--data`` reads: names, version, and its own tables.

``day=2026-11-20/*.parquet`` hold the calls. ``_meta`` holds small tables about them, one folder each, so that readers
of the calls pass over them: tools that list a folder skip names that begin with an underscore.
"""

META = "_meta"
ABOUT, LOADS, TEXTS, PROVIDERS = (f"{META}/{name}" for name in ("export", "loads", "texts", "providers"))
CALLS = "day=*/*.parquet"
EXPORT_SCHEMA = 3
"""Version of the columns of an exported folder; the first had no ``_meta``, the second no ``session_bin``."""
SESSION_BINS = 256
"""Bins of the hash of a session's id, of which the column ``session_bin`` is one."""
