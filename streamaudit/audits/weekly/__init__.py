"""The summary of a week (or day, or month) beside the one before: a few figures with verdicts, what moved most and why,
and what of the thresholds was broken.

``period`` says which two windows, ``moves`` counts what moved in one scan of both, ``report`` puts it together from the
reports, the diff, the history and the checks; it computes no figure anew.
"""
