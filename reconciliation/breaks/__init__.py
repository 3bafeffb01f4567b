"""Breaks, the long-lived cases behind findings: their states, what moves them, what is told of them."""
