"""Statement files as brokers: one module for each format, and what they share."""
