"""Formats of bills, one a file: ``NAME``, ``claims(path)`` and ``read(path)``. ``read_bill`` finds them here."""
