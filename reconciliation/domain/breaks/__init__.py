"""Findings over many runs: the life of a break, and the health of an account."""
