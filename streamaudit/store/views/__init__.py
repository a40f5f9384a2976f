"""The views that define the vocabulary: the outcome of a call, the evidence of other logs, and the tax of a call."""
