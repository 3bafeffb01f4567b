"""The wiring: the only place that builds parts from Settings."""

from reconciliation.bootstrap.bootstrap import Bootstrap, break_policy

__all__ = ["Bootstrap", "break_policy"]
