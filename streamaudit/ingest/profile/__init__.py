"""Which fields an export has, how full they are, and what they may mean: what ``streamaudit fields`` shows.

In comes a file; out goes a Report and the ``--map`` options that would make use of the file's fields.
"""
