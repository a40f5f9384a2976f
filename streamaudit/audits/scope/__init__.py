"""Turn one query's window, filters and dimensions into the relation ``scope`` that every audit selects from."""
