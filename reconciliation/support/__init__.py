"""Logs, redaction, wording, and child processes."""
