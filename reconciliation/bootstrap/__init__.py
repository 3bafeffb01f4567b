"""The wiring: the only place that builds parts from Settings. `open_parts` is the way to get them."""

from reconciliation.bootstrap.bootstrap import Bootstrap, open_parts
from reconciliation.bootstrap.policies import break_policy

__all__ = ["Bootstrap", "break_policy", "open_parts"]
