"""Files that are made to cost memory or time: each is refused early, within the bounds that the docs show."""

import re
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from reconciliation.adapters.brokers.statements import limits
from reconciliation.adapters.brokers.statements.formats import read_statements
from reconciliation.adapters.brokers.statements.limits import MAX_FIELD_LINES, MEGABYTE
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.errors import ReadError
from tests.brokers.cases import Situation
from tests.brokers.statement_cases import OFX_HEADER, CsvCase, OfxSgmlCase
from tests.support.places import ROOT, TESTS

LONG = 8 * MEGABYTE
#: What may be read of a file before it is refused, and what reading it may cost.
READ_BYTES = 3 * MEGABYTE
PEAK_BYTES = 24 * MEGABYTE

SEMT002 = (TESTS / "fixtures" / "semt002" / "one_page.xml").read_text(encoding="utf-8")
XML = {
    "flex": ("<FlexQueryResponse>", "</FlexQueryResponse>"),
    "ofx": ('<?xml version="1.0"?><OFX>', "</OFX>"),
    "semt002": ("<Document>", "</Document>"),
}
IN_XML = {
    "a tag without end": "<" + "a" * LONG,
    "an attribute": f'<a b="{"x" * LONG}"/>',
    "many attributes": "<a " + " ".join(f'a{number}="1"' for number in range(500_000)) + "/>",
    "a text": f"<a>{'x' * LONG}</a>",
    "a comment with ends of tags in it": f"<!-- {'> ' * (LONG // 2)} -->",
    "an instruction": f"<?a {'> ' * (LONG // 2)}?>",
    "a CDATA section": f"<a><![CDATA[{'>' * LONG}]]></a>",
    "CDATA sections without end": "<a>" + "<![CDATA[" * 200_000,
    "names without number": "".join(f"<n{number}/>" for number in range(400_000)),
    "depth": "<a>" * 1_000_000,
    "a number": f"<a>{'9' * LONG}</a>",
}
MT535 = ":16R:GENL\n:28E:1/ONLY\n"
HOSTILE = {
    **{
        f"{name}: {what}": (name, f"{start}{text}{end}")
        for what, text in IN_XML.items()
        for name, (start, end) in XML.items()
    },
    "ofx 1: a tag": ("ofx", OFX_HEADER + "<OFX><" + "A" * LONG),
    "ofx 1: a value": ("ofx", OFX_HEADER + "<OFX><TICKER>" + "A" * LONG),
    "ofx 1: values without name": ("ofx", OFX_HEADER + "<OFX>" + "<" * LONG),
    "ofx 1: CDATA without end": (
        "ofx",
        OfxSgmlCase().text(Situation.ONE_POSITION.value).replace("<TICKER>", "<TICKER>" + "<![CDATA[" * 200_000),
    ),
    "ofx 1: statements": ("ofx", OFX_HEADER + "<OFX><INVSTMTMSGSRSV1>" + "<INVSTMTRS>" * 500_000),
    "mt535: blocks": ("mt535", ":16R:A\n" * 1_000_000),
    "mt535: continuation lines": ("mt535", MT535 + ":70E::HOLD//x\n" + "x\n" * (LONG // 2)),
    "mt535: a line": ("mt535", MT535 + ":70E::HOLD//" + "x" * LONG),
    "mt535: lines before the first message": ("mt535", "\n" * LONG),
    "csv: a line": ("csv", "account_id," + "x" * LONG),
    "csv: a cell without end": ("csv", CsvCase().text(Situation.ONE_POSITION.value) + '"' + "x\n" * (LONG // 2)),
    "csv: columns": ("csv", "," * LONG),
}


@dataclass(frozen=True, kw_only=True)
class CountingSource(StatementSource):
    """A file that knows how much of it was read."""

    counted: list[int] = field(default_factory=list)

    def _chunks(self, binary_marks: tuple[bytes, ...]) -> Iterator[bytes]:
        for chunk in super()._chunks(binary_marks):
            self.counted.append(len(chunk))
            yield chunk


@pytest.mark.parametrize(("name", "text"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused_early_and_cheaply(tmp_path, name, text) -> None:
    path = tmp_path / "statement"
    path.write_text(text)
    source = CountingSource(path=path)

    tracemalloc.start()
    try:
        with pytest.raises(ReadError) as caught:
            read_statements(source, format_name=name)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert sum(source.counted) <= READ_BYTES
    assert peak < PEAK_BYTES
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("digits", ["999999999999", "9" * 1_000_000])
def test_a_page_number_costs_nothing(source, digits) -> None:
    source.path.write_text(SEMT002.replace("<s:PgNb>1", f"<s:PgNb>{digits}"))

    with pytest.raises(ReadError, match="page number"):
        read_statements(source)


def test_a_field_at_its_limit_is_read(source) -> None:
    text = (TESTS / "fixtures" / "mt535" / "german.fin").read_text(encoding="utf-8")
    source.path.write_text(text.replace("150,+EUR\n", "150,+EUR\n" * (MAX_FIELD_LINES - 1)))

    (statement,) = read_statements(source)

    assert len(statement.positions or ()) == 2


def test_the_docs_show_every_limit_with_its_value() -> None:
    page = (ROOT / "docs" / "brokers" / "README.md").read_text(encoding="utf-8")
    shown = {
        name: int(value.replace(",", ""))
        for name, value in re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", page, re.MULTILINE)
    }
    assert shown == {name: value for name, value in vars(limits).items() if name.isupper() and name != "MEGABYTE"}
