"""From a file to rows of calls and spans.

In comes a path, a pipe or a URL; out go rows in the store and a tally that accounts for every record. ``readers`` knows
containers, ``sources`` knows vendors' formats, the other modules stage, deduplicate and link the records. This is
the only room that knows that vendors exist; it knows no audit and prints nothing.
"""
