"""Fetch what was recorded from a vendor's public API: the same records as in an export, read by the same sources."""
