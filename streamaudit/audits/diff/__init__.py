"""What a deploy changed: two sides of the same traffic, compared by group.

``sides`` (from words to what is compared) → ``ask`` → ``scan`` (counts by two queries, or ``baseline``, counts from a
file) → ``compare`` (one comparison per group and statistic, by ``streamaudit.stats``) → ``report`` (the tables and what
must be said beside them).
"""
