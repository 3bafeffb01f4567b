"""`python -m reconciliation.cli`: the same as `reconcile`."""

from reconciliation.cli import main

main()
