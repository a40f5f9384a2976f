"""What an answer is and how it looks: Report, Table, Column and Note, aliases, escaping, and a renderer per format.

In comes a ``Report`` of raw values; out go text or bytes. Nothing here runs SQL, reads or writes a file, or computes a
figure.
"""
