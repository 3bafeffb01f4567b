"""Alpaca, through alpaca-py."""
