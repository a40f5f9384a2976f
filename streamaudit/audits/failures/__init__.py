"""The streaming failures that no dashboard shows: one audit a file, found by being in this folder.

In comes the calls in scope; out go findings, each with its evidence, three calls to look at and a remedy, and for every
audit whether it could be answered at all. ``base`` says what an audit is, ``report`` puts their findings in order.
"""
