"""CSV files, read by a mapping."""
