"""Summarise a week (or day, or month) and compare it with the one before.

The summary has a few figures with verdicts, the largest changes and their causes, and broken thresholds. ``period``
gives the two windows, ``changes`` counts both in one scan, ``report`` assembles the summary from the reports, the diff,
the history and the checks; it computes no figure again.
"""
