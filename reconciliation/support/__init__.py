"""Logs, redaction, wording, and processes bound to ours."""
