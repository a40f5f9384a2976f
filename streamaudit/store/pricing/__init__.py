"""USD per token: price tables, the user's own prices, and their application to calls."""
