"""Fills: what is reported of them, and the run that follows a burst."""
