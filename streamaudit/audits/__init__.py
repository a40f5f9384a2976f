"""Audits: each takes the calls in scope and returns a Report.

In comes a ``Store`` and a ``Scope``; out goes a ``Report``. An audit is static SQL over the relation ``scope``, its
columns and its notes. It knows no vendor, no input file and no output format, and does not know that ingest exists.
"""
