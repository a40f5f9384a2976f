"""Compare two sides of the same traffic by group, such as the calls before and after a deploy.

``request`` (from words to the comparison) → ``question`` → ``scan`` (counts by two queries, or ``baseline``, counts
from a file) → ``compare`` (one comparison per group and statistic, by ``streamaudit.stats``) → ``report`` (the tables
and their caveats).
"""
