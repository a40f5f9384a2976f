"""``report --reconcile``: the traced cost of calls compared with a bill, and the gap split by cause.

``bill`` is what any bill gives, ``bills`` one format a file; ``traced`` sums the calls, ``causes`` splits the gap,
``report`` makes the tables. Three kinds of money meet here and keep their names: a *reported* cost is the source's
estimate, a *priced* one list price, the *invoice* what was billed.
"""
