"""Servers that come as a wheel."""
