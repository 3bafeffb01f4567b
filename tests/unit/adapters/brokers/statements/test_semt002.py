from datetime import UTC, datetime
from decimal import Decimal

import pytest

from reconciliation.adapters.brokers.host.registry import open_broker
from reconciliation.adapters.brokers.statements.custody.semt002 import read_semt002
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.domain.model.models import AssetType
from reconciliation.errors import BadData, Incomplete, ReadError
from tests.support.places import TESTS

FIXTURE = TESTS / "fixtures" / "semt002" / "one_page.xml"
ONE_PAGE = FIXTURE.read_text(encoding="utf-8")
REPORT = ONE_PAGE[ONE_PAGE.index("<s:SctiesBalCtdyRpt>") : ONE_PAGE.index("</s:SctiesBalCtdyRpt>")]
REPORT += "</s:SctiesBalCtdyRpt>"
FIRST_BALANCE = REPORT[REPORT.index("<s:BalForAcct>") : REPORT.index("</s:BalForAcct>")] + "</s:BalForAcct>"
WITHOUT_BALANCES = ONE_PAGE[: ONE_PAGE.index("<s:BalForAcct>")] + ONE_PAGE[ONE_PAGE.index("</s:SctiesBalCtdyRpt>") :]


@pytest.fixture
def read(tmp_path):
    def read_text(text: str, **options):
        path = tmp_path / "report.xml"
        path.write_text(text, encoding="utf-8")
        return read_semt002(StatementSource(path=path), **options)

    return read_text


def two_pages(first: str, second: str) -> str:
    """Put a second report beside the first, in one envelope."""
    document = "</s:Document>"
    opening = ONE_PAGE[ONE_PAGE.index("<s:Document") : ONE_PAGE.index("<s:SctiesBalCtdyRpt>")]
    return ONE_PAGE.replace(REPORT, first).replace(document, document + opening + second + document)


def test_a_report_comes_out_digit_for_digit(read):
    (statement,) = read(ONE_PAGE)
    apple, bond = statement.positions
    assert statement.account_id == "C-2002"
    assert statement.as_of == datetime(2026, 11, 19, 21, tzinfo=UTC)
    assert (str(apple.quantity), str(bond.quantity)) == ("22792.125", "-250000")
    assert (apple.asset_type, bond.asset_type) == (AssetType.STOCK, AssetType.BOND)
    assert apple.identifiers == {"isin": "US0378331005", "cusip": "037833100"}
    assert (apple.currency, apple.market_value) == ("USD", Decimal("5784381.68"))
    assert (bond.currency, bond.market_value) == (None, None)


def test_what_a_custodian_does_not_say_stays_unknown(read):
    (statement,) = read(ONE_PAGE)
    assert (statement.account.cash, statement.account.total_equity) == (None, None)
    assert "trade date (TRAD)" in statement.notes[0]


def test_a_page_that_is_not_the_last_is_incomplete(read):
    with pytest.raises(Incomplete, match="lacks what follows page 1"):
        read(ONE_PAGE.replace("<s:LastPgInd>true", "<s:LastPgInd>false"))


def test_pages_in_one_file_are_joined(read):
    first = REPORT.replace("<s:LastPgInd>true", "<s:LastPgInd>false")
    second = REPORT.replace("<s:PgNb>1", "<s:PgNb>2")
    (statement,) = read(two_pages(first, second))
    assert [str(position.quantity) for position in statement.positions] == ["45584.250", "-500000"]


def test_a_last_page_without_the_first_is_incomplete(read):
    with pytest.raises(Incomplete, match="lacks page 1"):
        read(ONE_PAGE.replace("<s:PgNb>1", "<s:PgNb>2"))


def test_sub_accounts_are_accounts_and_their_total_is_the_master_s(read):
    balance = FIRST_BALANCE.replace("BalForAcct", "BalForSubAcct")
    parts = "".join(
        f"<s:SubAcctDtls><s:SfkpgAcct><s:Id>{name}</s:Id></s:SfkpgAcct><s:ActvtyInd>{active}</s:ActvtyInd>{held}"
        "</s:SubAcctDtls>"
        for name, active, held in [("A", "true", balance), ("B", "true", balance), ("C", "false", "")]
    )
    text = WITHOUT_BALANCES.replace("</s:SctiesBalCtdyRpt>", parts + "</s:SctiesBalCtdyRpt>")
    found = {statement.account_id: [p.quantity for p in statement.positions] for statement in read(text)}
    one = Decimal("22792.125")
    assert found == {"A": [one], "B": [one], "C": [], "C-2002": [one * 2]}


def test_a_sub_account_with_nothing_and_no_word_on_it_is_refused(read):
    part = "<s:SubAcctDtls><s:SfkpgAcct><s:Id>A</s:Id></s:SfkpgAcct></s:SubAcctDtls>"
    with pytest.raises(BadData, match="does not say that there is none"):
        read(WITHOUT_BALANCES.replace("</s:SctiesBalCtdyRpt>", part + "</s:SctiesBalCtdyRpt>"))


def test_an_empty_report_is_flat_only_if_it_says_so(read):
    with pytest.raises(Incomplete, match="does not say that there is none"):
        read(WITHOUT_BALANCES)
    (statement,) = read(WITHOUT_BALANCES.replace("ActvtyInd>true", "ActvtyInd>false"))
    assert statement.positions == ()
    with pytest.raises(BadData, match="says that there is no holding, and lists some"):
        read(ONE_PAGE.replace("ActvtyInd>true", "ActvtyInd>false"))


@pytest.mark.parametrize("length", range(60, len(ONE_PAGE) - 20, 151))
def test_a_file_cut_anywhere_is_never_read(read, length):
    with pytest.raises(ReadError):
        read(ONE_PAGE[:length])


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("<s:Cd>COMP", "<s:Cd>DELT", "a delta must not be read"),
        ("<s:UpdTp><s:Cd>COMP</s:Cd></s:UpdTp>", "", "update type 'unknown'"),
        ("<s:LastPgInd>true</s:LastPgInd>", "", "whether it is the last page"),
        ("<s:LastPgInd>true", "<s:LastPgInd>perhaps", "neither true nor false"),
        ("<s:PgNb>1", "<s:PgNb>I", "is not a number"),
        ("<s:SfkpgAcct><s:Id>C-2002</s:Id><s:Nm>GROWTH</s:Nm></s:SfkpgAcct>", "", "no SfkpgAcct/Id"),
        ("<s:Unit>22792.125", "<s:Unit>22,792.125", "not a number"),
        ("<s:Unit>22792.125</s:Unit>", "", "has no quantity"),
        ("<s:Unit>22792.125</s:Unit>", "<s:Unit>1</s:Unit><s:Unit>2</s:Unit>", "twice"),
        ("<s:Unit>22792.125</s:Unit>", "<s:Unit>1</s:Unit><s:FaceAmt>2</s:FaceAmt>", "which one counts is unsure"),
        ("<s:ShrtLngInd>LONG", "<s:ShrtLngInd>SIDEWAYS", "neither LONG nor SHOR"),
        ("<s:FaceAmt>250000", "<s:FaceAmt>-250000", "a negative quantity marked SHOR"),
        ("<s:FinInstrmId><s:ISIN>XS1234567892</s:ISIN></s:FinInstrmId>", "", "names no instrument"),
        ("2026-11-19T22:00:00.000+01:00", "yesterday", "is not a date"),
        ("SctiesBalCtdyRpt", "SctiesBalAcctgRpt", "semt.003"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_its_place(read, before, after, told):
    assert before in ONE_PAGE
    with pytest.raises(BadData, match=told) as caught:
        read(ONE_PAGE.replace(before, after))
    assert "report.xml: line " in str(caught.value)


def test_a_doctype_is_refused(read):
    head, rest = ONE_PAGE.split("\n", 1)
    with pytest.raises(BadData, match="DOCTYPE"):
        read(f'{head}\n<!DOCTYPE Envelope [<!ENTITY a "b">]>\n{rest}')


def test_elements_that_nest_without_end_are_refused(read):
    with pytest.raises(BadData, match="nested more than 100 deep"):
        read("<a>" * 101 + "</a>" * 101)


def test_xml_of_another_kind_holds_no_statement(read):
    with pytest.raises(BadData, match="holds no account statement"):
        read("<html><body>504</body></html>")


async def test_it_is_a_broker_by_its_name():
    broker = open_broker("semt002", {"path": str(FIXTURE)})
    assert len(await broker.get_positions("C-2002")) == 2


END = "</s:SctiesBalCtdyRpt>"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            "</s:SctiesBalCtdyRpt>",
            f"<s:Wrap>{FIRST_BALANCE}</s:Wrap></s:SctiesBalCtdyRpt>",
            "<BalForAcct> stands in <Wrap>",
        ),
        (END, f"{END}{FIRST_BALANCE}", "<BalForAcct> stands in <Document>"),
        (
            "<s:BalForAcct>",
            FIRST_BALANCE.replace("BalForAcct", "BalForSubAcct") + "<s:BalForAcct>",
            "<BalForSubAcct> stands in",
        ),
    ],
)
def test_a_balance_out_of_its_place_is_refused_and_never_dropped(read, before, after, told):
    assert before in ONE_PAGE
    with pytest.raises(BadData, match=told):
        read(ONE_PAGE.replace(before, after, 1))


BOOK = '<s:BookVal><s:Amt Ccy="USD">{}</s:Amt></s:BookVal>'


@pytest.mark.parametrize(
    ("added", "cost"),
    [
        (BOOK.format("2279212.5"), "100"),
        (BOOK.format("2279212.5").replace("USD", "EUR"), None),
        (BOOK.format("1") * 2, None),
    ],
)
def test_a_book_value_is_a_cost_per_unit_where_it_can_be(read, added, cost):
    (statement,) = read(ONE_PAGE.replace("</s:HldgVal>", f"</s:HldgVal>{added}", 1))
    assert statement.positions[0].avg_cost == (None if cost is None else Decimal(cost))


def test_an_early_version_is_refused_with_what_to_do(read):
    text = '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:semt.002.001.02"><CtdyStmtOfHldgsV02/></Document>'
    with pytest.raises(BadData, match="versions from 03 on are read"):
        read(text)


@pytest.mark.parametrize("page", ["999999999999", "9" * 5000])
def test_a_page_number_without_bound_is_refused(read, page):
    with pytest.raises(BadData, match="up to 5 digits"):
        read(ONE_PAGE.replace("<s:PgNb>1", f"<s:PgNb>{page}"))


def test_as_many_pages_as_a_number_can_say_are_missed_in_no_time(read):
    with pytest.raises(Incomplete, match="lacks page 1"):
        read(ONE_PAGE.replace("<s:PgNb>1", "<s:PgNb>99999"))
