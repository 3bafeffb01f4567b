"""The rules: what differs, and what becomes of it. Standard library only; no I/O, no clock, no logging."""
