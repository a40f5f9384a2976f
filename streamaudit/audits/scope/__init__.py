"""One command's window, filters and dimensions, turned into the relation ``scope`` that every audit selects from."""
