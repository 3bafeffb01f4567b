"""What every statement format must survive: files that are too large, cut, binary, hostile or of another encoding."""

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciliation.adapters.brokers.host.registry import open_broker
from reconciliation.adapters.brokers.statements.broker import StatementBroker
from reconciliation.adapters.brokers.statements.csv.adapter import read_csv
from reconciliation.adapters.brokers.statements.flex.adapter import read_flex
from reconciliation.adapters.brokers.statements.formats import FORMATS, read_statements, sniff_format
from reconciliation.adapters.brokers.statements.limits import MEGABYTE
from reconciliation.adapters.brokers.statements.ofx.adapter import read_ofx
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.errors import BadData, ConfigurationError, Incomplete, ReadError, Unavailable
from tests.brokers.cases import Book, Situation, held
from tests.brokers.format_cases import FORMAT_CASES
from tests.brokers.statement_cases import CsvCase, FileCase, FlexCase, OfxSgmlCase, OfxXmlCase

every_format = pytest.mark.parametrize("case", FORMAT_CASES.values(), ids=FORMAT_CASES)
every_reader = pytest.mark.parametrize("read", [row.read for row in FORMATS.values()], ids=FORMATS)
Read = Callable[[StatementSource], list[Statement]]

LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE FlexQueryResponse [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<FlexQueryResponse type="AF">&b;</FlexQueryResponse>
"""
EXTERNAL = """<?xml version="1.0"?>
<!DOCTYPE OFX SYSTEM "file:///etc/passwd">
<OFX></OFX>
"""


@every_reader
def test_an_empty_file_is_an_error(source: StatementSource, read: Read) -> None:
    source.path.write_bytes(b"")

    with pytest.raises(BadData, match="is empty"):
        read(source)


@every_reader
def test_a_missing_file_may_come_yet(source: StatementSource, read: Read) -> None:
    with pytest.raises(Unavailable, match="No such file"):
        read(source)


@every_reader
def test_a_directory_is_not_a_statement(tmp_path: Path, read: Read) -> None:
    with pytest.raises(BadData, match="not a regular file"):
        read(StatementSource(path=tmp_path))


@every_reader
@pytest.mark.parametrize("content", [b"PK\x03\x04" + bytes(100), b"\x89PNG\r\n\x1a\n\0\0", bytes(1000)])
def test_a_binary_file_is_an_error(source: StatementSource, read: Read, content: bytes) -> None:
    source.path.write_bytes(content)

    with pytest.raises(BadData, match="binary"):
        read(source)


@every_reader
def test_200_megabytes_are_refused_before_they_are_read(source: StatementSource, read: Read) -> None:
    source.path.write_bytes(b"<")
    os.truncate(source.path, 200 * MEGABYTE)

    tracemalloc.start()
    with pytest.raises(BadData, match="is 200 MB, above the limit of 64 MB"):
        read(source)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < MEGABYTE


def test_what_is_passed_over_takes_no_memory(source: StatementSource) -> None:
    trade = '<Trade symbol="AAPL" quantity="1" tradePrice="150.25" description="something or other" />\n'
    text = FlexCase().text(Situation.ONE_POSITION.value)
    trades = f"<Trades>{trade * 30_000}</Trades><CashReport>"
    source.path.write_text(text.replace("<CashReport>", trades))
    assert source.path.stat().st_size > 2 * MEGABYTE

    tracemalloc.start()
    read_flex(source)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < MEGABYTE


@pytest.mark.parametrize("text", [LAUGHS, EXTERNAL])
@pytest.mark.parametrize("read", [read_flex, read_ofx])
def test_a_doctype_is_refused_with_its_line(source: StatementSource, read: Read, text: str) -> None:
    source.path.write_text(text)

    with pytest.raises(BadData, match="line 2: carries a DOCTYPE"):
        read(source)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (read_flex, "<FlexQueryResponse>" + "<a>" * 300_000),
        (read_flex, "<FlexQueryResponse><a>" + "x" * 3 * MEGABYTE),
        (read_ofx, '<?xml version="1.0"?><OFX>' + "<a>" * 300_000),
        (read_ofx, "<OFX><INVSTMTMSGSRSV1>" + "<INVSTMTRS>" * 300_000),
    ],
)
def test_nesting_and_text_without_end_are_refused_early(source: StatementSource, read: Read, text: str) -> None:
    source.path.write_text(text)

    tracemalloc.start()
    with pytest.raises(BadData, match=r"more than|longer than|stands in another"):
        read(source)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 4 * MEGABYTE


def test_a_doctype_in_sgml_is_refused(source: StatementSource) -> None:
    text = OfxSgmlCase().text(Situation.ONE_POSITION.value)
    source.path.write_text(text.replace("<OFX>", '<!DOCTYPE OFX SYSTEM "ofx160.dtd">\n<OFX>'))

    with pytest.raises(BadData, match="DOCTYPE"):
        read_ofx(source)


@every_format
def test_bytes_of_another_encoding_are_an_error_with_their_place(source: StatementSource, case: FileCase) -> None:
    content = case.text(Situation.ONE_POSITION.value).encode().replace(b"AAPL", b"AA\x81L")
    source.path.write_bytes(content)

    with pytest.raises(BadData, match=r"line \d+: "):
        read_statements(source)


@every_format
@pytest.mark.parametrize("ends", ["\r\n", "\n"])
def test_line_ends_do_not_matter(source: StatementSource, case: FileCase, ends: str) -> None:
    source.path.write_bytes(case.text(Situation.TWO_LOTS.value).replace("\n", ends).encode())

    (read_one,) = read_statements(source)

    assert [row.quantity for row in read_one.positions or ()] == [40]


@every_format
def test_a_byte_order_mark_does_not_matter(source: StatementSource, case: FileCase) -> None:
    source.path.write_bytes(b"\xef\xbb\xbf" + case.text(Situation.ONE_POSITION.value).encode())

    assert sniff_format(source).name == case.name
    assert len(read_statements(source)) == 1


@pytest.mark.parametrize("encoding", ["klingon", "gb2312", "rot13", "utf-7", "", "x" * 500])
@pytest.mark.parametrize("written", ["utf-8", "utf-16"])
def test_xml_in_an_encoding_that_cannot_be_read_is_refused(
    source: StatementSource, encoding: str, written: str
) -> None:
    text = OfxXmlCase().text(Situation.ONE_POSITION.value).replace("UTF-8", encoding)
    source.path.write_bytes(text.encode(written))

    with pytest.raises(BadData, match="line 1: "):
        read_ofx(source)


def test_xml_may_come_in_an_encoding_of_one_byte_a_character(source: StatementSource) -> None:
    text = OfxXmlCase().text(Situation.ONE_POSITION.value).replace("UTF-8", "windows-1252").replace("AAPL", "ÄPL")
    source.path.write_bytes(text.encode("cp1252"))

    (read_one,) = read_ofx(source)

    assert [row.symbol for row in read_one.positions or ()] == ["ÄPL"]


@pytest.mark.parametrize("case", [FlexCase(), OfxXmlCase()], ids=["flex", "ofx 2"])
def test_xml_may_come_in_utf_16(source: StatementSource, case: FileCase) -> None:
    text = case.text(Situation.ONE_POSITION.value).replace('encoding="UTF-8"', 'encoding="UTF-16"')
    source.path.write_bytes(text.encode("utf-16"))

    assert sniff_format(source).name == case.name
    assert len(read_statements(source)) == 1


@pytest.mark.parametrize("case", [FlexCase(), OfxSgmlCase(), OfxXmlCase()], ids=["flex", "ofx 1", "ofx 2"])
def test_a_file_that_was_cut_anywhere_is_never_read(source: StatementSource, case: FileCase) -> None:
    content = case.text(Situation.SHORT.value).strip().encode()
    for length in range(len(content) - 1, 0, -7):
        source.path.write_bytes(content[:length])
        with pytest.raises(ReadError):
            read_statements(source, format_name=case.name)


def test_a_csv_row_that_was_cut_is_incomplete(source: StatementSource) -> None:
    text = CsvCase().text(Situation.TWO_LOTS.value)
    source.path.write_text(text[: text.rindex("USD")])

    with pytest.raises(Incomplete, match=r"line 3: .* columns"):
        read_csv(source)


async def test_a_broker_reads_a_file_again_when_it_was_replaced(tmp_path: Path) -> None:
    path = tmp_path / "statement.xml"
    path.write_text(FlexCase().text(Situation.ONE_POSITION.value))
    broker = open_broker("flex", {"path": str(path)})
    assert [row.symbol for row in await broker.get_positions("ACC-1")] == ["AAPL"]

    newer = tmp_path / "newer"
    newer.write_text(FlexCase().text(Situation.SHORT.value))
    newer.replace(path)

    assert [row.symbol for row in await broker.get_positions("ACC-1")] == ["TSLA"]


async def test_a_file_is_read_once_however_often_it_is_asked(source: StatementSource) -> None:
    source.path.write_text(FlexCase().text(Situation.ONE_POSITION.value))
    reads: list[StatementSource] = []

    def read(asked: StatementSource) -> list[Statement]:
        reads.append(asked)
        return read_flex(asked)

    broker = StatementBroker(source, read)
    for _ in range(3):
        await broker.get_snapshots(["ACC-1"])

    assert len(reads) == 1


@pytest.mark.parametrize("case", [FlexCase(), OfxSgmlCase(), CsvCase()], ids=["flex", "ofx", "csv"])
def test_a_position_of_nothing_is_no_position(source: StatementSource, case: FileCase) -> None:
    rows = (held("AAPL", "0", "1", "0"), held("MSFT", "5", "1", "5"))
    source.path.write_text(case.text(Book(rows)))

    (read_one,) = read_statements(source)

    assert [row.symbol for row in read_one.positions or ()] == ["MSFT"]


async def test_a_file_that_became_unreadable_is_not_answered_from_memory(tmp_path: Path) -> None:
    path = tmp_path / "statement.xml"
    path.write_text(FlexCase().text(Situation.ONE_POSITION.value))
    broker = open_broker("flex", {"path": str(path)})
    await broker.get_positions("ACC-1")

    path.write_text("<FlexQueryResponse>")

    for _ in range(2):
        with pytest.raises(Incomplete):
            await broker.get_positions("ACC-1")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "options", [{}, {"path": ""}, {"path": "x", "paht": "y"}, {"path": "x", "max_file_megabytes": -1}]
)
def test_options_that_cannot_work_are_refused(name: str, options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=name):
        open_broker(name, options)
