"""The answer to a query and its rendering: Report, Table, Column, Note, aliases, escaping, and renderers.

In comes a ``Report`` of raw values; out go text or bytes. Nothing here runs SQL, reads or writes a file, or computes a
figure.
"""
