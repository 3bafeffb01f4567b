"""A custodian's statement of holdings: pages joined into whole statements or refused. Pure; for MT535 and semt.002."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement, add_up_positions, newest_per_account
from reconciliation.domain.model.instruments import DERIVATIVES
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition
from reconciliation.domain.model.values import AVERAGE
from reconciliation.errors import Incomplete

#: Which trades are in the quantities; the codes are the same in both formats.
BASES = {"TRAD": "trade date", "SETT": "settlement date", "CONT": "contractual settlement date"}
_NO_CASH = "custody statement: it holds no cash and no total equity, so neither is compared"

#: The first letter of a CFI code (ISO 10962).
_KINDS = {
    "E": AssetType.STOCK,
    "C": AssetType.FUND,
    "D": AssetType.BOND,
    "R": AssetType.WARRANT,
    "O": AssetType.OPTION,
    "F": AssetType.FUTURE,
    "S": AssetType.SWAP,
}
#: What a quantity counts, in the order of preference, and the kind of instrument that is counted so.
QUANTITY_TYPES = {"FAMT": AssetType.BOND, "UNIT": AssetType.STOCK, "AMOR": AssetType.BOND}

#: Currency and amount.
Amount = tuple[str, Decimal]


@dataclass(frozen=True, kw_only=True)
class Holding:
    """One instrument of a page; `sub_account` is None for what is held by the statement's account itself."""

    position: BrokerPosition
    sub_account: str | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """One message: a page of a statement."""

    account_id: str
    #: Names the statement among others of the account and the day; None where the custodian gives no number.
    statement: str | None
    number: int
    is_last: bool
    basis: str
    as_of: datetime | None
    generated_at: datetime | None
    #: The custodian's word on whether anything is held; None where there is none.
    has_holdings: bool | None
    holdings: tuple[Holding, ...]
    #: Accounts whose part of the statement says that they hold nothing.
    flat_sub_accounts: tuple[str, ...] = ()
    line: int = 1

    @property
    def key(self) -> tuple[str, str | None, str, datetime | None]:
        return (self.account_id, self.statement, self.basis, self.as_of)


def statements_of(pages: Iterable[Page], source: StatementSource, basis: str | None = None) -> list[Statement]:
    """Return the newest statement of each account, its pages joined.

    Args:
        pages: all pages of the file.
        source: the file, for messages.
        basis: leave out statements of another basis than this (`TRAD`, `SETT` or `CONT`).

    Raises:
        Incomplete: a page is missing, or no statement is of that basis.
        BadData: a page comes twice, or the pages contradict each other.
    """
    by_statement: dict[object, list[Page]] = defaultdict(list)
    for page in pages:
        by_statement[page.key].append(page)
    chosen = [
        statement
        for parts in by_statement.values()
        if basis in {None, parts[0].basis}
        for statement in _join(sorted(parts, key=lambda page: page.number), source)
    ]
    if by_statement and not chosen:
        raise Incomplete(f"{source.path}: holds no statement of basis {basis}")
    return newest_per_account(chosen, source)


def asset_type_of(cfi: str | None, quantity_type: str) -> AssetType:
    """Return the kind of instrument by its CFI code, or else by how it is counted."""
    return _KINDS.get((cfi or "")[:1], QUANTITY_TYPES[quantity_type])


def book_cost(
    book_value: Amount | None, currency: str | None, quantity: Decimal, asset_type: AssetType
) -> Decimal | None:
    """Return the cost per unit, or per 1 of face amount, that a book value stands for.

    None where that is not certain: no value, not in the currency of the market value, or a derivative, because the
    statement does not say its multiplier.
    """
    if book_value is None or not quantity or asset_type in DERIVATIVES or currency != book_value[0]:
        return None
    return AVERAGE.divide(abs(book_value[1]), abs(quantity)).normalize(AVERAGE)


def _join(pages: Sequence[Page], source: StatementSource) -> list[Statement]:
    first = pages[0]
    _check_pages(pages, source)
    holdings = [holding for page in pages for holding in page.holdings]
    if not holdings and not all(page.has_holdings is False for page in pages):
        raise Incomplete(
            f"{source.path}: line {first.line}: the statement of account {first.account_id} lists no holding and does "
            "not say that there is none",
            account_id=first.account_id,
        )
    if holdings and any(page.has_holdings is False for page in pages):
        raise source.bad(f"account {first.account_id}: says that there is no holding, and lists some", first.line)
    own = _statement(first, first.account_id, holdings)
    flat = {name for page in pages for name in page.flat_sub_accounts}
    subs = flat | {holding.sub_account for holding in holdings if holding.sub_account}
    return [own] + [
        _statement(first, name, [holding for holding in holdings if holding.sub_account == name])
        for name in sorted(subs - {first.account_id})
    ]


def _check_pages(pages: Sequence[Page], source: StatementSource) -> None:
    account_id = pages[0].account_id
    numbers = Counter(page.number for page in pages)
    repeated = sorted(number for number, count in numbers.items() if count > 1)
    if repeated:
        raise source.bad(f"page {repeated[0]} of account {account_id} comes twice: keep one", pages[0].line)
    *others, final = pages
    early = [page for page in others if page.is_last]
    if early:
        raise source.bad(f"page {early[0].number} of account {account_id} is the last, and more follow", early[0].line)
    missing = sorted(set(range(1, final.number + 1)) - set(numbers))
    if missing or not final.is_last:
        lacks = f"page {missing[0]}" if missing else f"what follows page {final.number}"
        raise Incomplete(
            f"{source.path}: line {final.line}: the statement of account {account_id} lacks {lacks}: put all pages "
            "of a statement into one file",
            account_id=account_id,
        )


def _statement(page: Page, account_id: str, holdings: Iterable[Holding]) -> Statement:
    return Statement(
        account=BrokerAccount(account_id, None, None, None, None, as_of=page.as_of),
        positions=add_up_positions(holding.position for holding in holdings),
        as_of=page.as_of,
        generated_at=page.generated_at,
        notes=(f"quantities by {BASES.get(page.basis, page.basis)} ({page.basis})", _NO_CASH),
    )
