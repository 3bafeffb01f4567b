"""Both sides of a whole firm, gathered: what still has to be judged account by account, and what is plainly equal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reconciliation.domain.model.models import Measure
from reconciliation.domain.model.snapshots import BrokerSnapshot, LocalSnapshot
from reconciliation.errors import ReadError


@dataclass(frozen=True, kw_only=True)
class EqualPart:
    """What a reader found plainly equal on both sides, and left out of the accounts to judge."""

    #: Accounts of which nothing is left to judge.
    accounts: int = 0
    #: Positions that are not flat, of all accounts.
    positions: int = 0
    #: How often a measure could not be compared in what was left out.
    not_compared: Counter[Measure] = field(default_factory=Counter)


@dataclass(frozen=True, kw_only=True)
class WholeBooks:
    """Two books of many accounts."""

    #: Accounts that both sides name and that are to be judged.
    local: Mapping[str, LocalSnapshot]
    broker: Mapping[str, BrokerSnapshot | ReadError]
    only_local: Sequence[str] = ()
    only_broker: Sequence[str] = ()
    equal: EqualPart = field(default_factory=EqualPart)
    #: How the files were read, where that is worth a sentence.
    notes: Sequence[str] = ()
