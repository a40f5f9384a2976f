"""``check``: the thresholds of the configuration held against the figures, group by group."""
