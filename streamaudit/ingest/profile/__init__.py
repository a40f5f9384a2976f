"""Profile the fields of an export: how full they are, and what they may mean, for ``streamaudit fields``.

In comes a file; out goes a Report and the ``--map`` options that would make use of the file's fields.
"""
