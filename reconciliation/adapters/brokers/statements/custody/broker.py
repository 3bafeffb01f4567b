"""How a file of a custody statement is opened as a broker, whichever its format."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from reconciliation.adapters.brokers.sdk.options import BrokerOptions
from reconciliation.adapters.brokers.statements.broker import StatementBroker, source_of
from reconciliation.adapters.brokers.statements.custody.pages import BASES
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.ports.broker import BrokerQuery


class ReadCustody(Protocol):
    """Reads the statements of a file; only those of a basis, where one is given."""

    def __call__(self, source: StatementSource, *, basis: str | None) -> Sequence[Statement]: ...


def open_custody(name: str, raw_options: Mapping[str, Any], read: ReadCustody) -> BrokerQuery:
    """Return the broker of one file: options `path`, `basis` and `max_file_megabytes`."""
    options = BrokerOptions(name, raw_options)
    source, basis = source_of(options), basis_of(options)
    options.check_all_read()
    return StatementBroker(source, partial(read, basis=basis))


def basis_of(raw_options: BrokerOptions) -> str | None:
    """Return the option `basis`: the only kind of statement to be read; None for whichever the file holds."""
    basis = raw_options.optional_text("basis")
    if basis is not None and basis not in BASES:
        raise raw_options.wrong("basis", f"one of: {', '.join(BASES)}")
    return basis
