"""Statement files: one folder for each format."""
