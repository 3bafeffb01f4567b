"""What there is to say of a statement format: how it is recognized, how it is read, which options it takes."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from reconciliation.adapters.brokers.sdk.options import BrokerOptions
from reconciliation.adapters.brokers.statements.broker import ReadStatements, StatementBroker, source_of
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.ports.broker import BrokerQuery


@dataclass(frozen=True, kw_only=True)
class FormatOption:
    """An option of a reader: one name in the reader's signature, in the settings and on the command line."""

    name: str
    #: One sentence for operators.
    help: str
    #: Returns what the reader is called with.
    read: Callable[[BrokerOptions], Any]
    #: The values that may be given; empty: any.
    choices: tuple[str, ...] = ()
    is_flag: bool = False
    is_file: bool = False


@dataclass(frozen=True, kw_only=True)
class StatementFormat:
    """One row of the table of formats."""

    #: Its name in settings, options and output.
    name: str
    #: Its name in sentences.
    title: str
    #: Says whether a file is of this format by its first characters.
    sniff: Callable[[str], bool]
    #: Takes a `StatementSource`, and the options by name.
    read: Callable[..., Sequence[Statement]]
    options: tuple[FormatOption, ...] = ()

    def reader(self, options: BrokerOptions) -> ReadStatements:
        """Return the reader with its options.

        Raises:
            ConfigurationError: an option cannot work.
        """
        return partial(self.read, **{option.name: option.read(options) for option in self.options})

    def open(self, raw_options: Mapping[str, Any], secrets: Mapping[str, str]) -> BrokerQuery:
        """Return the broker of one file: options `path`, `max_file_megabytes` and the format's own."""
        del secrets
        options = BrokerOptions(self.name, raw_options)
        source, read = source_of(options), self.reader(options)
        options.check_all_read()
        return StatementBroker(source, read)


#: Of formats whose files may leave out whose they are.
DEFAULT_ACCOUNT = FormatOption(
    name="default_account",
    help="The account of a file that names none.",
    read=lambda options: options.optional_text("default_account"),
)


def contains(pattern: str) -> Callable[[str], bool]:
    """Return a `sniff` that searches for a regular expression."""
    compiled = re.compile(pattern)
    return lambda text: compiled.search(text) is not None
