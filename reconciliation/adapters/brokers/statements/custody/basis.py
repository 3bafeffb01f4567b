"""The option `basis` of custody statements: which trades are in the quantities."""

from reconciliation.adapters.brokers.sdk.options import BrokerOptions
from reconciliation.adapters.brokers.statements.custody.pages import BASES
from reconciliation.adapters.brokers.statements.format import FormatOption


def _read(options: BrokerOptions) -> str | None:
    basis = options.optional_text("basis")
    if basis is not None and basis not in BASES:
        raise options.wrong("basis", f"one of: {', '.join(BASES)}")
    return basis


BASIS = FormatOption(
    name="basis",
    help="Refuse statements on another basis (traded, settled, contractual).",
    read=_read,
    choices=tuple(BASES),
)
