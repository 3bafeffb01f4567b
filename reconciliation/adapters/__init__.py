"""The outside world: one folder for each driver, independent of each other."""
