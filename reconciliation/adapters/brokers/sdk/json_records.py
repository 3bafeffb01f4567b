"""Reading a broker's JSON answer: exact numbers, and a sentence with the place for whatever cannot be read.

Stdlib only, and open to brokers in other packages.
"""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from reconciliation.domain.model.values import exact_decimal
from reconciliation.errors import BadData, Incomplete, InvalidInputError

#: How much of a wrong value an error quotes: enough to find it, too little for a page.
MAX_QUOTED_CHARACTERS = 40

Choice = TypeVar("Choice")


def decode_json(body: bytes | str, who: str, number: Callable[[str], Any] = Decimal) -> Any:
    """Return the JSON value of `body`; a number with a point becomes what `number` makes of its digits.

    Raises:
        Incomplete: the body is empty or cut off.
        BadData: it is not JSON, or holds NaN or an infinity.
    """
    try:
        text = body.decode("utf-8") if isinstance(body, bytes) else body
    except UnicodeDecodeError:
        raise BadData(f"{who} answered with what is not UTF-8 text") from None
    text = text.strip()
    if not text:
        raise Incomplete(f"{who} answered with an empty body")

    def refuse_constant(name: str) -> NoReturn:
        raise BadData(f"{who} answered with {name}, which is not a number")

    try:
        return json.loads(text, parse_float=number, parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        if text[0] in "{[" and text[-1] not in "}]":
            raise Incomplete(f"{who} answered with JSON that is cut off after {len(text)} characters") from None
        raise BadData(f"{who} answered with what is not JSON ({_quoted(text)})") from None


class Record:
    """One object of an answer, read field by field. Unknown fields are left alone.

    Each reader raises BadData naming the place and the field. A missing field, null and "" are all "not given".
    """

    def __init__(self, raw: Any, place: str) -> None:
        if not isinstance(raw, Mapping):
            raise BadData(f"{place} is {_kind(raw)} where an object was due")
        self.raw: Mapping[str, Any] = raw
        self.place = place

    def text(self, name: str) -> str:
        value = self.optional_text(name)
        if value is None:
            raise BadData(f"{self.place} has no {name!r}")
        return value

    def optional_text(self, name: str) -> str | None:
        value = self.raw.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise self.wrong(name, "a text")
        return value

    def number(self, name: str) -> Decimal:
        value = self.optional_number(name)
        if value is None:
            raise BadData(f"{self.place} has no {name!r}")
        return value

    def optional_number(self, name: str) -> Decimal | None:
        value = self.raw.get(name)
        if value is None or value == "":
            return None
        try:
            return exact_decimal(value, name)
        except InvalidInputError:
            raise self.wrong(name, "a number") from None

    def choice(self, name: str, choices: Mapping[str, Choice]) -> Choice:
        """Return what the text stands for; a word that is not among the choices is BadData."""
        word = self.text(name)
        if word not in choices:
            raise self.wrong(name, f"one of {', '.join(choices)}")
        return choices[word]

    def record(self, name: str) -> "Record":
        return Record(self.raw.get(name), f"{self.place}, {name}")

    def records(self, name: str) -> list["Record"]:
        return read_records(self.raw.get(name), f"{self.place}, {name}")

    def wrong(self, name: str, expected: str) -> BadData:
        return BadData(f"{self.place}: {name!r} is {_quoted(self.raw.get(name))}, not {expected}")


def read_records(raw: Any, place: str) -> list[Record]:
    """Return the objects of a list; anything but a list is BadData: it does not say "nothing held"."""
    if not isinstance(raw, list):
        raise BadData(f"{place} is {_kind(raw)} where a list was due")
    return [Record(item, f"{place}, row {number}") for number, item in enumerate(raw, start=1)]


def _kind(value: Any) -> str:
    if value is None:
        return "missing"
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a number"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def _quoted(value: Any) -> str:
    text = str(value)
    return repr(text if len(text) <= MAX_QUOTED_CHARACTERS else f"{text[:MAX_QUOTED_CHARACTERS]}…")
