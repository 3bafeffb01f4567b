"""Whole books in columns. Needs the extra `bulk`."""
