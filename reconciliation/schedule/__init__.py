"""The schedule: what is due, who makes it, and what becomes of runs that are asked for."""
