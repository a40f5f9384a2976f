"""Formats: one file each, found by being in this folder.

In come records as text and JSON; out comes the SQL that turns them into calls and spans. A source knows its vendor and
nothing of files, stores or reports.
"""
