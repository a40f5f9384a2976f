"""``check``: compare the thresholds of the configuration with the figures, group by group."""
