"""Brokers and their statements."""
