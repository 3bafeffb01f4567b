"""Alpaca, by its own SDK."""
