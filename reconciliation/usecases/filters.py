"""Filters as text, the same on the command line, in a URL and in a file: `state=open,acknowledged severity=critical`.

Each list has one table of its fields. Adding a field is a row there and an attribute of the filter.
"""

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from reconciliation.domain.breaks.states import BreakState
from reconciliation.domain.model.models import AssetType, DiscrepancySeverity, DiscrepancyType, Outcome, Trigger
from reconciliation.domain.model.values import exact_decimal
from reconciliation.errors import InvalidInputError
from reconciliation.ports.accounts import AccountFilter
from reconciliation.ports.breaks import BreakDimension, BreakFilter, BreakGroup, BreakSort, SortKey
from reconciliation.ports.runs import RunFilter

MAX_VALUE_CHARACTERS = 256
MAX_VALUES = 1000
MAX_SPAN_DIGITS = 8
#: Of a cause or a ratio: there is none.
NONE = "none"

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_TRUE, _FALSE = ("yes", "true", "1"), ("no", "false", "0")


def read_span(text: str) -> timedelta:
    """Return a length of time such as 90d, 8h or 30m.

    Raises:
        InvalidInputError: it is not one.
    """
    number, unit = text[:-1], text[-1:]
    digits = number.isascii() and number.isdigit() and len(number) <= MAX_SPAN_DIGITS
    if unit not in _UNITS or not digits or int(number) == 0:
        raise InvalidInputError(f"{text!r} is not a length of time: write a number and s, m, h, d or w, such as 90d")
    return timedelta(seconds=int(number) * _UNITS[unit])


def read_moment(text: str, moment_of: Callable[[timedelta], datetime]) -> datetime:
    """Return a point in time: ISO 8601 (UTC where no offset is given), or what `moment_of` makes of a span.

    Raises:
        InvalidInputError: it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        span = read_span(text)
        try:
            return moment_of(span)
        except OverflowError:
            raise InvalidInputError(f"{text!r} is too long a time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a filter: what it means, and how its text is read at a given time."""

    help: str
    #: The attribute of the filter.
    attribute: str
    read: Callable[[str, datetime], Any] = lambda text, _now: text
    #: The words that are allowed; several may stand in one text, with commas.
    choices: tuple[str, ...] = ()
    #: Whether several values mean "any of these"; for labels, "all of these".
    is_list: bool = True
    #: Yes or no. On the command line it is a flag, and `opposite` is the flag that means no.
    is_flag: bool = False
    opposite: str | None = None
    #: What stands for the value in help texts.
    shown: str = "TEXT"


def _words(kind: type[Enum], attribute: str, help_text: str) -> Field:
    choices = tuple(str(member.value) for member in kind)
    return Field(help=help_text, attribute=attribute, read=lambda text, _now: kind(text), choices=choices)


def _yes_or_no(text: str, _now: datetime) -> bool:
    if text.lower() not in (*_TRUE, *_FALSE):
        raise InvalidInputError(f"{text!r} is neither yes nor no")
    return text.lower() in _TRUE


def _ago(text: str, now: datetime) -> datetime:
    return read_moment(text, lambda span: now - span)


def _or_none(text: str, _now: datetime) -> str:
    return "" if text == NONE else text


_ACCOUNT = Field(help="Include only this account.", attribute="account_ids", shown="ID")
_CONNECTION = Field(help="Include only accounts of this connection.", attribute="connections", shown="NAME")
_LABEL = Field(help="Include only accounts that have this label.", attribute="labels", shown="NAME")

BREAK_FIELDS: Mapping[str, Field] = {
    "account": _ACCOUNT,
    "connection": _CONNECTION,
    "label": _LABEL,
    "symbol": Field(help="Include only this symbol.", attribute="symbols"),
    "symbol_part": Field(
        help="Include only symbols that contain this text, in upper or lower case.",
        attribute="symbol_part",
        is_list=False,
    ),
    "asset_type": _words(AssetType, "asset_types", "Include only this asset type."),
    "type": _words(DiscrepancyType, "types", "Include only this type of difference."),
    "severity": _words(DiscrepancySeverity, "severities", "Include only this severity."),
    "state": _words(BreakState, "states", "Include only this state. Default: every state but resolved."),
    "assignee": Field(help="Include only breaks assigned to this person.", attribute="assignees", shown="NAME"),
    "unassigned": Field(
        help="Include only breaks without an assigned person.",
        attribute="unassigned",
        read=_yes_or_no,
        is_list=False,
        is_flag=True,
    ),
    "cause": Field(
        help="Include only this likely cause, such as split; `none` means that no cause is known.",
        attribute="causes",
        read=_or_none,
        shown="KIND",
    ),
    "ratio": Field(
        help="Include only this ratio of broker to local quantity, such as 10:1; `none` means no simple ratio.",
        attribute="ratios",
        read=_or_none,
        shown="N:N",
    ),
    "min_value": Field(
        help="Include only breaks whose value at stake is known and at least this, in any currency.",
        attribute="min_value",
        read=lambda text, _now: exact_decimal(text, "it"),
        is_list=False,
        shown="AMOUNT",
    ),
    "value_currency": Field(
        help="Include only breaks whose value at stake is in this currency.",
        attribute="value_currencies",
        shown="CODE",
    ),
    "older_than": Field(
        help="Include only breaks first seen before this time: a span such as 2d, or a date.",
        attribute="first_seen_before",
        read=_ago,
        is_list=False,
        shown="TIME",
    ),
    "since": Field(
        help="Include only breaks first seen after this time: a span such as 8h, or a date.",
        attribute="first_seen_since",
        read=_ago,
        is_list=False,
        shown="TIME",
    ),
}

RUN_FIELDS: Mapping[str, Field] = {
    "account": _ACCOUNT,
    "outcome": _words(Outcome, "outcomes", "Include only runs with this outcome."),
    "trigger": _words(Trigger, "triggers", "Include only runs with this trigger."),
    "since": Field(
        help="Include only runs that began after this time: a span such as 8h, or a date.",
        attribute="since",
        read=_ago,
        is_list=False,
        shown="TIME",
    ),
}

ACCOUNT_FIELDS: Mapping[str, Field] = {
    "label": _LABEL,
    "connection": Field(help=_CONNECTION.help, attribute="connection", is_list=False, shown="NAME"),
    "enabled": Field(
        help="Include only accounts that are enabled, or only those that are disabled.",
        attribute="enabled",
        read=_yes_or_no,
        is_list=False,
        is_flag=True,
        opposite="disabled",
    ),
}


def break_filter(words: Iterable[tuple[str, str]], now: datetime) -> BreakFilter:
    """Return the filter that pairs of field and value describe.

    Raises:
        InvalidInputError: a field is not known, or its value cannot be read; the sentence names both.
    """
    return BreakFilter(**_read(BREAK_FIELDS, words, now))


def run_filter(words: Iterable[tuple[str, str]], now: datetime) -> RunFilter:
    """Return the filter of runs; as `break_filter`."""
    return RunFilter(**_read(RUN_FIELDS, words, now))


def account_filter(words: Iterable[tuple[str, str]], now: datetime) -> AccountFilter:
    """Return the filter of accounts; as `break_filter`."""
    return AccountFilter(**_read(ACCOUNT_FIELDS, words, now))


def break_sort(text: str) -> tuple[SortKey, ...]:
    """Return the order that a text such as `-severity,first_seen_at` describes.

    Raises:
        InvalidInputError: a field cannot be sorted by, or is there twice.
    """
    keys = tuple(_sort_key(word.strip()) for word in text.split(","))
    if len({key.field for key in keys}) < len(keys):
        raise InvalidInputError(f"the order {text!r} names a field twice")
    return keys


def _sort_key(word: str) -> SortKey:
    try:
        return SortKey(BreakSort(word.removeprefix("-")), descending=word.startswith("-"))
    except ValueError:
        known = ", ".join(field.value for field in BreakSort)
        raise InvalidInputError(f"{word!r} cannot be sorted by; fields are: {known}") from None


def break_dimensions(text: str) -> tuple[BreakDimension, ...]:
    """Return the dimensions that a text such as `connection,severity` names.

    Raises:
        InvalidInputError: breaks cannot be counted by one of them, or it is there twice.
    """
    words = [word.strip() for word in text.split(",")]
    known = [dimension.value for dimension in BreakDimension]
    for word in words:
        if word not in known:
            raise InvalidInputError(f"breaks cannot be counted by {word!r}; dimensions are: {', '.join(known)}")
        if words.count(word) > 1:
            raise InvalidInputError(f"{word!r} is named twice")
    return tuple(map(BreakDimension, words))


def group_filter(group: BreakGroup) -> str:
    """Return the text of the filter that finds the breaks of a group."""
    words = {
        "symbol": group.symbol,
        "asset_type": group.asset_type,
        "type": group.type,
        "cause": group.cause or NONE,
        "ratio": group.ratio or NONE,
    }
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in words.items() if value is not None)


def split_words(text: str) -> list[tuple[str, str]]:
    """Return the pairs of a filter in one text, such as `state=open label="desk 1"`.

    Raises:
        InvalidInputError: a part is not FIELD=VALUE, or a quote is not closed.
    """
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise InvalidInputError(f"the filter {text!r} cannot be read: {error}") from None
    pairs = [part.partition("=") for part in parts]
    for name, equals, _ in pairs:
        if not equals:
            raise InvalidInputError(f"{name!r} in the filter is not FIELD=VALUE, such as state=open")
    return [(name.replace("-", "_"), value) for name, _, value in pairs]


def _read(fields: Mapping[str, Field], words: Iterable[tuple[str, str]], now: datetime) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in words:
        field = fields.get(name)
        if field is None:
            raise InvalidInputError(f"{name!r} is not a field of this filter; fields are: {', '.join(fields)}")
        values = tuple(_value(name, field, part, now) for part in (text.split(",") if field.choices else [text]))
        if field.is_list:
            found[field.attribute] = (*found.get(field.attribute, ()), *values)
        elif field.attribute in found:
            raise InvalidInputError(f"{name!r} is in the filter twice: it takes one value")
        else:
            found[field.attribute] = values[0]
        if field.is_list and len(found[field.attribute]) > MAX_VALUES:
            raise InvalidInputError(f"{name!r} has more than {MAX_VALUES} values in the filter")
    return found


def _value(name: str, field: Field, text: str, now: datetime) -> Any:
    if len(text) > MAX_VALUE_CHARACTERS or not text.isprintable() or not text:
        raise InvalidInputError(f"{name!r} must have 1 to {MAX_VALUE_CHARACTERS} printable characters")
    if field.choices and text not in field.choices:
        raise InvalidInputError(f"{text!r} is not a {name}; it is one of: {', '.join(field.choices)}")
    try:
        return field.read(text, now)
    except InvalidInputError as error:
        raise InvalidInputError(f"{name}: {error}") from None
