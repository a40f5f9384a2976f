"""Explain one call: its timeline, and every figure with the rule and the field it came from."""
