"""Columns that calls can be grouped and filtered by; the only names that ever become part of a query."""

PLAIN = (
    "model", "response_model", "provider", "route", "tenant", "user_id", "session_id", "deploy", "environment",
    "service", "region", "transport", "operation", "source", "outcome",
)  # fmt: skip
"""Columns of a call."""
CALENDAR = {"hour": "%Y-%m-%d %H:00", "day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}
"""Spans of time that a call starts in, each with its strftime format; weeks are ISO weeks. An hour that the clocks
repeat has its offset after it (hours.sql)."""
LOOKED_UP = ("tenant", "route", "deploy", "environment", "service", "region")
"""Dimensions that a lookup may fill."""
DIMENSIONS = (*PLAIN, *CALENDAR)
