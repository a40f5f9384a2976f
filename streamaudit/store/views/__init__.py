"""The views that define the vocabulary: what an outcome is, what other logs add, what a call's tax is."""
