"""SWIFT MT535 statements of holdings.

The total of an instrument is its `AGGR` balance; available, unavailable and sub-balances are parts of it.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from reconciliation.adapters.brokers.statements.custody.basis import BASIS
from reconciliation.adapters.brokers.statements.custody.mt535_message import FinField, FinMessage, messages
from reconciliation.adapters.brokers.statements.custody.pages import (
    QUANTITY_TYPES,
    Amount,
    Holding,
    Page,
    asset_type_of,
    book_cost,
    statements_of,
)
from reconciliation.adapters.brokers.statements.format import DEFAULT_ACCOUNT, StatementFormat, contains
from reconciliation.adapters.brokers.statements.limits import MAX_POSITIONS, MAX_STATEMENTS
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.adapters.brokers.statements.values import date_and_time
from reconciliation.domain.model.snapshots import BrokerPosition
from reconciliation.domain.model.values import exact_decimal
from reconciliation.errors import BadData, InvalidInputError

_GENERAL = ("GENL",)
_SUB_SAFE = ("SUBSAFE",)
#: An instrument of the statement's account itself: the German form has no parts (SUBSAFE).
_INSTRUMENT = ("FIN",)
_INSTRUMENT_OF_PART = ("SUBSAFE", "FIN")

_NUMBER = re.compile(r"(N?)(\d+)(?:,(\d*))?")
_AMOUNT = re.compile(r"(N?)([A-Z]{3})(\d.*)")
_ISIN = re.compile(r"ISIN ([A-Z]{2}[A-Z0-9]{9}\d)")
_NATIONAL = re.compile(r"/([A-Z]{2})/(\S+)")
_CUSIP = re.compile(r"[0-9A-Z*@#]{8}\d")
_PAGE = re.compile(r"(\d{1,5})/(ONLY|MORE|LAST)")
_CFI = re.compile(r"[A-Z]{6}")


def read_mt535(
    source: StatementSource, *, basis: str | None = None, default_account: str | None = None
) -> list[Statement]:
    """Return the newest statement of each account in the file.

    Args:
        source: the file.
        basis: the only basis that is wanted.
        default_account: the account of messages that name none.

    Raises:
        ReadError: the file cannot be read completely and without doubt; the message names file, line and remedy.
    """
    return statements_of(_pages(source, default_account), source, basis)


def _pages(source: StatementSource, default_account: str | None) -> Iterator[Page]:
    left = MAX_POSITIONS
    for count, message in enumerate(messages(source), start=1):
        if count > MAX_STATEMENTS:
            raise source.bad(f"more than {MAX_STATEMENTS} messages: ask for fewer accounts per file", message.line)
        page = _PageReader(source, message, default_account).read()
        left -= len(page.holdings)
        if left < 0:
            raise source.bad(f"more than {MAX_POSITIONS} positions: ask for fewer accounts per file", page.line)
        yield page


class _PageReader:
    """Reads one message as a page."""

    def __init__(self, source: StatementSource, message: FinMessage, default_account: str | None) -> None:
        self._source = source
        self._message = message
        self._default_account = default_account
        self._general = {(field.tag[:2], field.qualifier): field for field in message.fields if field.path == _GENERAL}

    def read(self) -> Page:
        if self._message.type not in {None, "535"}:
            raise self._source.bad(f"holds an MT{self._message.type}, not an MT535", self._message.line)
        self._check_kind()
        number, continuation = self._page_number()
        account_id = self._account()
        activity = self._general.get(("17", "ACTI"))
        holdings, flat = self._holdings()
        return Page(
            account_id=account_id,
            statement=self._text("13", "STAT"),
            number=number,
            is_last=continuation != "MORE",
            basis=self._text("22", "STBA") or "unknown",
            as_of=self._moment("98", "STAT"),
            generated_at=self._moment("98", "PREP"),
            has_holdings=None if activity is None else activity.content == "Y",
            holdings=tuple(holdings),
            flat_sub_accounts=tuple(flat),
            line=self._message.line,
        )

    def _check_kind(self) -> None:
        function = self._needed("23", "")
        if function.value.partition("/")[0] != "NEWM":
            raise self._bad(f"function {function.value!r} is not a new statement (NEWM)", function)
        update = self._general.get(("22", "CODE"))
        if update is not None and update.content != "COMP":
            raise self._bad(
                f"update type {update.content!r}: only a complete statement can be compared, and a delta must not be "
                "read as one; have the custodian send COMP",
                update,
            )

    def _page_number(self) -> tuple[int, str]:
        field = self._needed("28", "")
        found = _PAGE.fullmatch(field.value)
        if not found:
            raise self._bad(f"page {field.value!r} is not of the form 1/ONLY, 1/MORE or 2/LAST", field)
        return int(found[1]), found[2]

    def _account(self) -> str:
        field = self._general.get(("97", "SAFE"))
        account = _account_of(field) if field else self._default_account
        if account is None:
            raise self._source.bad(
                "the message has no 97a::SAFE in its block GENL, so it names no account: set the option "
                "default_account to the account that the file is of",
                self._message.line,
            )
        return account

    def _holdings(self) -> tuple[list[Holding], list[str]]:
        """Return what is held, and the sub-accounts whose part says that nothing is."""
        self._check_blocks()
        flat: list[str] = []
        instruments = _blocks(self._message.fields, _INSTRUMENT)
        holdings = [Holding(position=_position(block, self._source)) for block in instruments]
        for part in _blocks(self._message.fields, _SUB_SAFE):
            own = {(field.tag[:2], field.qualifier): field for field in part if field.path == _SUB_SAFE}
            safe, activity = own.get(("97", "SAFE")), own.get(("17", "ACTI"))
            sub_account = _account_of(safe) if safe else None
            held = [_position(block, self._source) for block in _blocks(part, _INSTRUMENT_OF_PART)]
            is_flat = activity is not None and activity.content == "N"
            if is_flat == bool(held):
                raise self._bad("a part (SUBSAFE) must hold instruments, or say that it has none", part[0])
            if is_flat and sub_account:
                flat.append(sub_account)
            holdings += [Holding(position=position, sub_account=sub_account) for position in held]
        return holdings, flat

    def _check_blocks(self) -> None:
        """Refuse an instrument outside of its place: it belongs to no account, or to two, and is not dropped."""
        places: set[tuple[str, ...]] = set()
        for field in self._message.fields:
            is_of_instrument = field.tag == "35B" or (field.tag[:2], field.qualifier) == ("93", "AGGR")
            if is_of_instrument and "FIN" not in field.path:
                raise self._bad(f"field {field.tag} of an instrument stands outside of a block FIN", field)
            if field.tag != "16R" or field.value not in {"FIN", "SUBSAFE"}:
                continue
            if field.path not in {_SUB_SAFE, _INSTRUMENT, _INSTRUMENT_OF_PART}:
                around = " in ".join(reversed(field.path[:-1]))
                raise self._bad(f"a block {field.value} stands in {around}, where none can be", field)
            places.add(field.path)
            if {_SUB_SAFE, _INSTRUMENT} <= places:
                raise self._bad(
                    "instruments stand both in parts (SUBSAFE) and outside: whether they are counted twice is unclear",
                    field,
                )

    def _needed(self, tag: str, qualifier: str) -> FinField:
        field = self._general.get((tag, qualifier))
        if field is None:
            name = f"{tag}a::{qualifier}" if qualifier else f"{tag}a"
            raise self._source.bad(f"the message has no {name} in its block GENL", self._message.line)
        return field

    def _text(self, tag: str, qualifier: str) -> str | None:
        field = self._general.get((tag, qualifier))
        return field.content if field else None

    def _moment(self, tag: str, qualifier: str) -> datetime | None:
        field = self._general.get((tag, qualifier))
        if field is None:
            return None
        day, time = field.content[:8], field.content[8:14]
        try:
            return date_and_time(f"{day} {time}".strip(), f"{tag}a::{qualifier}")
        except InvalidInputError as error:
            raise self._bad(str(error), field) from None

    def _bad(self, problem: str, field: FinField) -> BadData:
        return self._source.bad(problem, field.line)


def _position(block: Sequence[FinField], source: StatementSource) -> BrokerPosition:
    """Return the position that one FIN block describes."""
    path = block[0].path
    own = [field for field in block if field.path == path]
    try:
        quantity_type, quantity = _balance(own)
        identifiers, description = _identification(_only(own, "35B").value)
        asset_type = asset_type_of(_cfi(block, (*path, "FIA")), quantity_type)
        value, book_value = _amount(own, "HOLD"), _amount(own, "BOOK")
        return BrokerPosition(
            symbol=identifiers.get("isin") or identifiers.get("cusip") or description,
            quantity=quantity,
            avg_cost=book_cost(book_value, value[0] if value else None, quantity, asset_type),
            market_value=value[1] if value else None,
            asset_type=asset_type,
            currency=value[0] if value else None,
            identifiers=identifiers,
        )
    except InvalidInputError as error:
        raise source.bad(str(error), block[0].line) from None


def _balance(fields: Sequence[FinField]) -> tuple[str, Decimal]:
    """Return type and amount of the aggregate balance; of face and amortised amounts, the face."""
    found: dict[str, Decimal] = {}
    for field in fields:
        if field.tag[:2] != "93" or field.qualifier != "AGGR":
            continue
        kind, _, amount = field.content.partition("/")
        if field.tag != "93B" or kind not in QUANTITY_TYPES:
            raise InvalidInputError(f"line {field.line}: the balance {field.tag}{field.value} is of an unknown form")
        if kind in found:
            raise InvalidInputError(f"line {field.line}: a second AGGR balance of type {kind}")
        found[kind] = _number(amount, f"line {field.line}: AGGR")
    if {"FAMT", "UNIT"} <= found.keys():
        raise InvalidInputError("AGGR is given in face amount and in units: which one counts is unsure")
    for kind in QUANTITY_TYPES:
        if kind in found:
            return kind, found[kind]
    raise InvalidInputError("the instrument has no AGGR balance")


def _identification(value: str) -> tuple[dict[str, str], str]:
    """Return strong identifiers and the name to go by if there are none."""
    identifiers: dict[str, str] = {}
    others: list[str] = []
    for line in value.split("\n"):
        isin, national = _ISIN.fullmatch(line.strip()), _NATIONAL.fullmatch(line.strip())
        if isin:
            identifiers["isin"] = isin[1]
        elif national and national[1] == "US" and _CUSIP.fullmatch(national[2]):
            identifiers["cusip"] = national[2]
        elif national and national[1] == "GB":
            identifiers["sedol"] = national[2]
        elif line.strip():
            others.append(national[2] if national else line.strip())
    if not identifiers and not others:
        raise InvalidInputError("field 35B names no instrument")
    return identifiers, identifiers.get("sedol") or (others[0] if others else "")


def _amount(fields: Sequence[FinField], qualifier: str) -> Amount | None:
    """Return currency and amount where it is given once; of two currencies, neither is chosen."""
    values = [field for field in fields if field.tag == "19A" and field.qualifier == qualifier]
    if len(values) != 1:
        return None
    found = _AMOUNT.fullmatch(values[0].content)
    if not found:
        raise InvalidInputError(f"line {values[0].line}: {values[0].content!r} is not an amount with its currency")
    return found[2], _number(found[1] + found[3], f"line {values[0].line}: {qualifier}")


def _cfi(block: Sequence[FinField], path: tuple[str, ...]) -> str | None:
    for field in block:
        if field.path == path and field.tag == "12C" and _CFI.fullmatch(field.content):
            return field.content
    return None


def _only(fields: Sequence[FinField], tag: str) -> FinField:
    found = [field for field in fields if field.tag == tag]
    if len(found) != 1:
        raise InvalidInputError(f"field {tag} stands there {len(found)} times, not once")
    return found[0]


def _number(text: str, what: str) -> Decimal:
    """Return a SWIFT number: comma for the decimal sign, maybe at the end, and N before what is negative."""
    found = _NUMBER.fullmatch(text)
    if not found:
        raise InvalidInputError(f"{what}: {text!r} is not a SWIFT number such as N1234,5")
    sign, whole, fraction = found.groups()
    return exact_decimal(f"{'-' if sign else ''}{whole}.{fraction or ''}", what)


def _account_of(field: FinField) -> str:
    """Return the account of 97A (`//account`) or 97B (`//type/account`)."""
    return field.content.partition("/")[2] if field.tag == "97B" else field.content


def _blocks(fields: Sequence[FinField], path: tuple[str, ...]) -> Iterator[list[FinField]]:
    """Yield the fields of each block at `path`, those of its inner blocks with them."""
    block: list[FinField] = []
    for field in fields:
        if field.tag == "16R" and field.path == path:
            block = []
        if field.path[: len(path)] == path:
            block.append(field)
        elif field.tag == "16S" and field.path == path[:-1] and field.value == path[-1]:
            yield block


MT535 = StatementFormat(
    name="mt535",
    title="MT535",
    sniff=contains(r"\A(\{1:F|:16R:GENL)"),
    read=read_mt535,
    options=(
        BASIS,
        DEFAULT_ACCOUNT,
    ),
)
open_mt535 = MT535.open
