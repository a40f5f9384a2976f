"""The report's question answered by others, each from the same file, as CSV with streamaudit's column names."""
