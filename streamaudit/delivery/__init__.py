"""Send a rendered report: targets, services, retries and the ledger of posts.

In comes a ``Message`` and its targets; out go requests to the addresses that the user named, and a ledger entry for
each. It is the only room that imports apprise and requests; it knows no SQL and no audit.
"""
