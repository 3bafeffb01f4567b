import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from reconciliation.adapters.brokers.statements.ofx.adapter import read_ofx
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.domain.model.models import AssetType
from reconciliation.errors import AuthError, BadData, Incomplete, ReadError
from tests.brokers.cases import Situation
from tests.brokers.statement_cases import OFX_HEADER, OfxSgmlCase, OfxXmlCase

POSITION = (
    "<POSSTOCK><INVPOS><SECID><UNIQUEID>037833100<UNIQUEIDTYPE>CUSIP</SECID><HELDINACCT>CASH<POSTYPE>LONG"
    "<UNITS>100<UNITPRICE>155<MKTVAL>15500<DTPRICEASOF>20250115</INVPOS></POSSTOCK>\n"
)
BALANCES = "<INVBAL><AVAILCASH>1000.5<MARGINBALANCE>-200<SHORTBALANCE>0<BUYPOWER>3000</INVBAL>\n"
SECURITIES = (
    "<SECLISTMSGSRSV1><SECLIST><STOCKINFO><SECINFO><SECID><UNIQUEID>037833100<UNIQUEIDTYPE>CUSIP</SECID>"
    "<SECNAME>Apple &amp; Co<TICKER>AAPL</SECINFO></STOCKINFO></SECLIST></SECLISTMSGSRSV1>"
)
TRANSACTIONS = (
    "<INVTRANLIST><DTSTART><DTEND>20250115<BUYSTOCK><INVBUY><INVTRAN><FITID>1</INVTRAN><SECID><UNIQUEID>X"
    "<UNIQUEIDTYPE>CUSIP</SECID><UNITS>1<CURRENCY><CURRATE>1<CURSYM>USD</CURRENCY></INVBUY></BUYSTOCK></INVTRANLIST>\n"
)


def statement(positions: str = POSITION, balances: str = BALANCES, as_of: str = "20250115", account: str = "A1") -> str:
    listed = f"<INVPOSLIST>\n{positions}</INVPOSLIST>\n"
    return (
        f"<INVSTMTTRNRS><INVSTMTRS><DTASOF>{as_of}<CURDEF>USD<INVACCTFROM><BROKERID>b<ACCTID>{account}</INVACCTFROM>\n"
        f"{TRANSACTIONS}{listed}{balances}</INVSTMTRS></INVSTMTTRNRS>\n"
    )


def ofx(*statements: str, securities: str = SECURITIES, header: str = OFX_HEADER) -> str:
    body = "".join(statements)
    return f"{header}<OFX>\n<INVSTMTMSGSRSV1>\n{body}</INVSTMTMSGSRSV1>\n{securities}</OFX>\n"


def read(source: StatementSource, text: str | bytes) -> list[Statement]:
    source.path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_ofx(source)


def test_leaves_without_closing_tags_are_read(source: StatementSource) -> None:
    (read_one,) = read(source, ofx(statement()))

    (held,) = read_one.positions or ()
    assert (held.symbol, held.quantity, held.market_value) == ("AAPL", 100, 15500)
    assert (held.avg_cost, held.identifiers) == (None, {"cusip": "037833100"})
    account = read_one.account
    assert (account.cash, account.buying_power, account.margin_used) == (Decimal("1000.5"), 3000, 200)
    assert (account.total_equity, account.currency) == (None, "USD")


def test_the_same_security_twice_is_added_up(source: StatementSource) -> None:
    margin = POSITION.replace("CASH", "MARGIN").replace("<UNITS>100", "<UNITS>42.5").replace("15500", "6587.5")

    (read_one,) = read(source, ofx(statement(POSITION + margin)))

    (held,) = read_one.positions or ()
    assert (held.quantity, held.market_value) == (Decimal("142.5"), Decimal("22087.5"))


def test_without_a_security_list_the_id_stands_for_the_symbol(source: StatementSource) -> None:
    (read_one,) = read(source, ofx(statement(), securities=""))

    assert [row.symbol for row in read_one.positions or ()] == ["037833100"]
    assert "has no ticker" in read_one.notes[0]


def test_a_security_of_two_tickers_is_not_guessed_at(source: StatementSource) -> None:
    second = SECURITIES.replace("AAPL", "AAPL.X")

    (read_one,) = read(source, ofx(statement(), securities=SECURITIES + second))

    assert [row.symbol for row in read_one.positions or ()] == ["037833100"]
    assert "AAPL, AAPL.X" in read_one.notes[0]


@pytest.mark.parametrize("units", ["20", "-20"])
def test_a_short_is_negative_whether_its_units_carry_a_sign_or_not(source: StatementSource, units: str) -> None:
    short = POSITION.replace("LONG", "SHORT").replace("<UNITS>100", f"<UNITS>{units}")

    (read_one,) = read(source, ofx(statement(short)))

    assert [(row.quantity, row.market_value) for row in read_one.positions or ()] == [(-20, -15500)]


def test_the_market_value_is_trusted_for_bonds_and_options(source: StatementSource) -> None:
    bond = POSITION.replace("POSSTOCK", "POSDEBT").replace("<UNITS>100", "<UNITS>10000").replace("155<", "98.5<")
    option = POSITION.replace("POSSTOCK", "POSOPT").replace("037833100", "OPT1").replace("15500", "1725")
    info = SECURITIES.replace("037833100", "OPT1").replace("AAPL", "AAPL  250221C00180000")
    info = info.replace("STOCKINFO", "OPTINFO").replace("</OPTINFO>", "<OPTTYPE>CALL<SHPERCTRCT>100</OPTINFO>")

    (read_one,) = read(source, ofx(statement(bond + option), securities=SECURITIES + info))

    first, second = read_one.positions or ()
    assert (first.asset_type, first.quantity, first.market_value) == (AssetType.BOND, 10000, 15500)
    assert (second.asset_type, second.multiplier, second.market_value) == (AssetType.OPTION, 100, 1725)
    assert second.symbol == "AAPL  250221C00180000"


def test_a_position_in_another_currency_says_so(source: StatementSource) -> None:
    foreign = POSITION.replace("</INVPOS>", "<CURRENCY><CURRATE>1.3<CURSYM>CAD</CURRENCY></INVPOS>")

    (read_one,) = read(source, ofx(statement(foreign)))

    assert [row.currency for row in read_one.positions or ()] == ["CAD"]


def test_unknown_kinds_of_position_are_kept_as_other(source: StatementSource) -> None:
    vendor = POSITION.replace("POSSTOCK", "POSVENDOR").replace("<UNITS>", "<X.EXTRA>yes<UNITS>")

    (read_one,) = read(source, ofx(statement(vendor)))

    assert [(row.asset_type, row.quantity) for row in read_one.positions or ()] == [(AssetType.OTHER, 100)]


def test_balances_that_are_missing_are_none_and_not_zero(source: StatementSource) -> None:
    (read_one,) = read(source, ofx(statement(balances="")))

    assert (read_one.account.cash, read_one.account.margin_used) == (None, None)


def test_other_balances_of_the_bank_do_not_count_as_cash(source: StatementSource) -> None:
    more = "<BALLIST><BAL><NAME>Networth<VALUE>99999<DTASOF>20250101</BAL></BALLIST></INVBAL>"

    (read_one,) = read(source, ofx(statement(balances=BALANCES.replace("</INVBAL>", more))))

    assert (read_one.account.cash, read_one.account.total_equity) == (Decimal("1000.5"), None)
    assert read_one.as_of == datetime(2025, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("20250115", datetime(2025, 1, 15, tzinfo=UTC)),
        ("20250115160000", datetime(2025, 1, 15, 16, tzinfo=UTC)),
        ("20250115160000.000[-5:EST]", datetime(2025, 1, 15, 21, tzinfo=UTC)),
        ("20250115160000[-:EST]", datetime(2025, 1, 15, 21, tzinfo=UTC)),
        ("20250115160000[+5.5:IST]", datetime(2025, 1, 15, 10, 30, tzinfo=UTC)),
        ("20250115160000[0:GMT]", datetime(2025, 1, 15, 16, tzinfo=UTC)),
        ("", None),
    ],
)
def test_times_carry_their_zone_and_may_be_empty(source: StatementSource, text: str, moment: datetime | None) -> None:
    (read_one,) = read(source, ofx(statement(as_of=text)))

    assert read_one.as_of == moment


def test_the_newest_statement_of_each_account_counts(source: StatementSource) -> None:
    old = statement(POSITION.replace("<UNITS>100", "<UNITS>1"), as_of="20250114")

    first, second = read(source, ofx(statement(), old, statement(account="A2")))

    assert [row.quantity for row in first.positions or ()] == [100]
    assert second.account_id == "A2"


@pytest.mark.parametrize("as_of", ["20250115", ""])
def test_two_statements_of_which_neither_is_newer_are_an_error(source: StatementSource, as_of: str) -> None:
    with pytest.raises(BadData, match="account A1"):
        read(source, ofx(statement(), statement(as_of=as_of)))


def test_a_missing_position_list_is_unknown_unless_the_operator_knows_better(source: StatementSource) -> None:
    text = ofx(statement("")).replace("<INVPOSLIST>\n</INVPOSLIST>\n", "")

    (unknown,) = read(source, text)
    (flat,) = read_ofx(source, no_position_list_means_flat=True)

    assert unknown.positions is None
    with pytest.raises(Incomplete, match="no_position_list_means_flat"):
        unknown.snapshot(source)
    assert flat.positions == ()


@pytest.mark.parametrize(("text", "expected"), [("100,5", "100.5"), ("+000100.50", "100.5"), (".5", "0.5")])
def test_amounts_may_have_a_comma_a_plus_and_zeros(source: StatementSource, text: str, expected: str) -> None:
    (read_one,) = read(source, ofx(statement(POSITION.replace("<UNITS>100", f"<UNITS>{text}"))))

    assert [row.quantity for row in read_one.positions or ()] == [Decimal(expected)]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("<UNITS>100", "<UNITS>NaN", "UNITS: 'NaN' is not a number"),
        ("<UNITS>100", "<UNITS>1,234", "decimal comma or a thousands comma"),
        ("<UNITS>100", "", "UNITS: '' is not a number"),
        ("<UNITS>100", "<UNITS>100<UNITS>200", "<INVPOS> holds <UNITS> twice"),
        ("<UNITS>100", "<UNITS>-100", "contradict each other"),
        ("LONG", "BOTH", "neither LONG nor SHORT"),
        ("<UNIQUEID>037833100<UNIQUEIDTYPE>CUSIP", "", "<UNIQUEID> is missing"),
        ("</INVPOS>", "", "is still open"),
        ("</SECID>", "</SECID>stray", "'stray' stands after </SECID>"),
    ],
)
def test_a_position_that_cannot_be_read_is_an_error_with_file_line_and_reason(
    source: StatementSource, old: str, new: str, problem: str
) -> None:
    with pytest.raises(BadData) as raised:
        read(source, ofx(statement(POSITION.replace(old, new, 1))))

    assert problem in str(raised.value)
    assert str(raised.value).startswith(f"{source.path}: line 1")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<ACCTID>A1", "<ACCTID>"),
        ("<AVAILCASH>1000.5", "<AVAILCASH>Infinity"),
        ("<DTASOF>20250115", "<DTASOF>15 January"),
        ("<DTASOF>20250115", "<DTASOF>20251345"),
    ],
)
def test_a_statement_whose_values_cannot_be_read_is_an_error(source: StatementSource, old: str, new: str) -> None:
    with pytest.raises(BadData, match="<INVSTMTRS>"):
        read(source, ofx(statement().replace(old, new, 1)))


@pytest.mark.parametrize(("code", "error"), [("2000", BadData), ("15500", AuthError)])
def test_the_banks_refusal_is_not_a_statement(source: StatementSource, code: str, error: type[ReadError]) -> None:
    sign_on = f"<SIGNONMSGSRSV1><SONRS><STATUS><CODE>{code}<SEVERITY>ERROR<MESSAGE>No</STATUS></SONRS></SIGNONMSGSRSV1>"

    with pytest.raises(error, match=f"error {code}: No"):
        read(source, ofx(statement()).replace("<OFX>", f"<OFX>{sign_on}"))


def test_a_bank_statement_is_not_an_investment_statement(source: StatementSource) -> None:
    with pytest.raises(BadData, match="no investment statement"):
        read(source, f"{OFX_HEADER}<OFX><BANKMSGSRSV1><STMTRS><BAL>1</BAL></STMTRS></BANKMSGSRSV1></OFX>")


def test_what_follows_the_end_is_not_overlooked(source: StatementSource) -> None:
    with pytest.raises(BadData, match=r"stands after </OFX>|outside of <OFX>"):
        read(source, ofx(statement()) + "<OFX></OFX>")


def test_the_header_names_the_encoding(source: StatementSource) -> None:
    text = ofx(statement()).replace("AAPL", "ÄPL")
    utf_8 = text.replace("ENCODING:USASCII\nCHARSET:1252", "ENCODING:UTF-8\nCHARSET:NONE")

    for content in (text.encode("cp1252"), utf_8.encode()):
        (read_one,) = read(source, content)
        assert [row.symbol for row in read_one.positions or ()] == ["ÄPL"]


@pytest.mark.parametrize("name", ["KLINGON", "ROT13", "HEX"])
def test_an_unknown_encoding_is_an_error(source: StatementSource, name: str) -> None:
    with pytest.raises(BadData, match=f"CHARSET:{name}"):
        read(source, ofx(statement()).replace("CHARSET:1252", f"CHARSET:{name}"))


def test_a_file_on_one_line_and_of_many_chunks_is_read_whole(source: StatementSource) -> None:
    rows = "".join(
        POSITION.replace("037833100", f"{n:09}").replace("<UNITS>100", f"<UNITS>{n}").strip() for n in range(1, 2000)
    )
    text = ofx(statement(rows)).partition("<OFX>")
    one_line = text[0] + text[1] + text[2].replace("\n", "")
    assert len(one_line) > 4 * 64 * 1024

    (read_one,) = read(source, one_line)

    assert {row.symbol: row.quantity for row in read_one.positions or ()} == {f"{n:09}": n for n in range(1, 2000)}


def test_a_file_without_its_header_is_read_too(source: StatementSource) -> None:
    (read_one,) = read(source, OfxSgmlCase().text(Situation.SHORT.value).removeprefix(OFX_HEADER))

    assert [row.symbol for row in read_one.positions or ()] == ["TSLA"]


OPTION = (
    "<POSOPT><INVPOS><SECID><UNIQUEID>OPT1<UNIQUEIDTYPE>CUSIP</SECID><HELDINACCT>CASH<POSTYPE>LONG<UNITS>2"
    "<UNITPRICE>5<MKTVAL>1000<DTPRICEASOF>20250115</INVPOS></POSOPT>\n"
)
OPTION_INFO = (
    "<OPTINFO><SECINFO><SECID><UNIQUEID>OPT1<UNIQUEIDTYPE>CUSIP</SECID><SECNAME>Call<TICKER>AAPL 250117C</SECINFO>"
    "<OPTTYPE>CALL<STRIKEPRICE>150<DTEXPIRE>20250117<SHPERCTRCT>100"
    "<SECID><UNIQUEID>037833100<UNIQUEIDTYPE>CUSIP</SECID></OPTINFO>"
)


def test_an_option_s_entry_may_end_with_its_underlying_which_keeps_its_own_multiplier(source: StatementSource) -> None:
    text = ofx(statement(POSITION + OPTION), securities=SECURITIES.replace("</SECLIST>", f"{OPTION_INFO}</SECLIST>"))

    (read_one,) = read(source, text)

    found = {row.asset_type: (row.symbol, row.multiplier) for row in read_one.positions or ()}
    assert found[AssetType.OPTION] == ("AAPL 250117C", 100)
    assert found[AssetType.STOCK][1] is None


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "</INVPOS></POSSTOCK>",
            "</INVPOS><INVPOS><SECID></SECID></INVPOS></POSSTOCK>",
            "<POSSTOCK> holds <INVPOS> twice",
        ),
        ("<INVPOSLIST>", "<INVPOS></INVPOS><INVPOSLIST>", "<INVPOS> stands outside of the list"),
        ("</INVPOSLIST>", "</INVPOSLIST><INVPOSLIST></INVPOSLIST>", "<INVSTMTRS> holds <INVPOSLIST> twice"),
        ("</INVBAL>", "</INVBAL><INVBAL><AVAILCASH>2</INVBAL>", "<INVSTMTRS> holds <INVBAL> twice"),
        ("<INVPOSLIST>", "<INVSTMTRS></INVSTMTRS><INVPOSLIST>", "<INVSTMTRS> stands in another"),
        ("</SECID><HELD", "</SECID><SECID><UNIQUEID>X</SECID><HELD", "<INVPOS> holds <SECID> twice"),
    ],
)
def test_what_stands_out_of_its_place_is_refused_and_neither_added_nor_dropped(
    source: StatementSource, old: str, new: str, problem: str
) -> None:
    text = ofx(statement())
    assert old in text
    with pytest.raises(BadData, match=re.escape(problem)):
        read(source, text.replace(old, new, 1))


def test_version_2_may_name_its_encoding_as_version_1_does(source: StatementSource) -> None:
    text = OfxXmlCase().text(Situation.ONE_POSITION.value).replace('"UTF-8"', '"USASCII"')
    assert "USASCII" in text

    (read_one,) = read(source, text)

    assert [row.symbol for row in read_one.positions or ()] == ["AAPL"]
    with pytest.raises(BadData, match="not well-formed"):
        read(source, text.replace("AAPL", "ÄPL"))


@pytest.mark.parametrize("offset", ["[1e9:EST]", "[999999:X]", "[-1.2.3:X]"])
def test_an_offset_that_is_none_is_refused(source: StatementSource, offset: str) -> None:
    with pytest.raises(BadData, match="is not a"):
        read(source, ofx(statement(as_of=f"20250115120000{offset}")))


@pytest.mark.parametrize(
    ("written", "symbol"),
    [
        ("<TICKER><![CDATA[A&B]]>", "A&B"),
        ("<TICKER>A<![CDATA[&amp;]]>B", "A&amp;B"),
        ("<TICKER>A &amp; B", "A & B"),
        ("<TICKER><![CDATA[A", "<![CDATA[A"),
    ],
)
def test_character_data_is_read_as_it_stands(source: StatementSource, written: str, symbol: str) -> None:
    (read_one,) = read(source, ofx(statement()).replace("<TICKER>AAPL", written))

    assert [row.symbol for row in read_one.positions or ()] == [symbol]
