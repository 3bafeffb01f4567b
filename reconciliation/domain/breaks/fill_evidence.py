"""Whether a difference may be a fill in flight: which symbols were filled when, and what that says of a break. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum

from reconciliation.domain.breaks.break_ import BreakKey
from reconciliation.domain.model.instruments import DERIVATIVES, derives_from, name_mark


class FillEvidence(Enum):
    """What is known of fills since a moment that could explain a difference."""

    NONE = "no fill"
    POSSIBLE = "a fill"
    UNKNOWN = "unknown"  # the memory does not reach back so far: there may have been one


@dataclass(frozen=True, kw_only=True)
class FillActivity:
    """One look at the fills of an account. Times are in ms, all by one clock: that of the server that keeps them."""

    #: When the look was taken.
    at_ms: int
    #: From here on every fill is remembered.
    since_ms: int
    #: The last fill of each symbol that had one since; None stands for fills that may be of any symbol.
    last_ms: Mapping[str | None, int] = field(default_factory=dict)

    def since(self, moment_ms: int, key: BreakKey, holdings: Collection[str]) -> FillEvidence:
        """Say whether a fill at or after a moment could explain a difference.

        Args:
            moment_ms: When an earlier look was taken.
            key: Of the difference.
            holdings: Symbols that are certainly separate holdings, under the names that findings have. A fill of any
                other name may be of the key's symbol: an order service may use other names.
        """
        if not self.since_ms <= moment_ms <= self.at_ms:
            return FillEvidence.UNKNOWN
        recent = (symbol for symbol, last_ms in self.last_ms.items() if last_ms >= moment_ms)
        return (
            FillEvidence.POSSIBLE if any(_may_be_of(symbol, key, holdings) for symbol in recent) else FillEvidence.NONE
        )


#: Where the fills could not be looked at.
NO_EVIDENCE = FillActivity(at_ms=0, since_ms=1)


def _may_be_of(symbol: str | None, key: BreakKey, holdings: Collection[str]) -> bool:
    if symbol is None or key.symbol is None:  # any fill moves cash and equity
        return True
    if symbol not in holdings:
        return True
    if key.asset_type is None or key.asset_type in DERIVATIVES:
        # Order services like to name derivatives by what they derive from: a fill of `ES` may be one of `ESZ6`.
        return derives_from(key.symbol, symbol)
    return name_mark(symbol, key.asset_type) == name_mark(key.symbol, key.asset_type)
