"""The options that all custody statements share."""

from reconciliation.broker.options import BrokerOptions
from reconciliation.broker.statements.custody_pages import BASES


def basis_of(options: BrokerOptions) -> str | None:
    """Return the option `basis`: the only kind of statement to be read; None for whichever the file holds."""
    basis = options.optional_text("basis")
    if basis is not None and basis not in BASES:
        raise options.wrong("basis", f"one of: {', '.join(BASES)}")
    return basis
