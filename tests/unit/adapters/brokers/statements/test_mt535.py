import os
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from reconciliation.adapters.brokers.host.registry import open_broker
from reconciliation.adapters.brokers.statements.custody.mt535 import read_mt535
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.domain.model.models import AssetType
from reconciliation.errors import BadData, ConfigurationError, Incomplete, ReadError
from reconciliation.ports.broker import BrokerQuery
from tests.support.places import ROOT, TESTS

FIXTURES = TESTS / "fixtures" / "mt535"
SAMPLES = Path(os.environ.get("BROKER_SAMPLES", ROOT.parent / "shared" / "samples")) / "mt535"
TWO_PAGES = (FIXTURES / "two_pages.fin").read_text(encoding="utf-8")
GERMAN = (FIXTURES / "german.fin").read_text(encoding="utf-8")
SUB_ACCOUNTS = (FIXTURES / "sub_accounts.fin").read_text(encoding="utf-8")


@pytest.fixture
def read(tmp_path):
    def read_text(text: str, **options):
        path = tmp_path / "statement.fin"
        path.write_text(text, encoding="utf-8", newline="")
        return read_mt535(StatementSource(path=path), **options)

    return read_text


def quantities(statement):
    sums = defaultdict(Decimal)
    for row in statement.positions:
        sums[row.symbol] += row.quantity
    return sums


def test_the_pages_of_one_file_make_one_statement(read):
    (statement,) = read(TWO_PAGES)
    assert statement.account_id == "C-1001"
    assert statement.as_of == datetime(2026, 11, 19, tzinfo=UTC)
    assert statement.generated_at == datetime(2026, 11, 20, 6, 59, 59, tzinfo=UTC)
    assert [str(position.quantity) for position in statement.positions] == ["1200", "-250000", "0.333", "35732656"]


def test_identifiers_kinds_and_values_come_along(read):
    (statement,) = read(TWO_PAGES)
    apple, bond, *_, mortgage = statement.positions
    assert apple.identifiers == {"isin": "US0378331005", "cusip": "037833100"}
    assert (apple.asset_type, apple.currency, apple.market_value) == (AssetType.STOCK, "USD", Decimal("270120.5"))
    assert (bond.asset_type, bond.currency, bond.market_value) == (AssetType.BOND, "EUR", Decimal(-248750))
    assert (mortgage.symbol, mortgage.identifiers) == ("31392EXH8", {"cusip": "31392EXH8"})


def test_what_a_custodian_does_not_say_stays_unknown(read):
    (statement,) = read(TWO_PAGES)
    assert (statement.account.cash, statement.account.total_equity) == (None, None)
    assert {position.avg_cost for position in statement.positions} == {None}
    assert "settlement date (SETT)" in statement.notes[0]


def test_windows_line_ends_read_the_same(read):
    assert quantities(read(TWO_PAGES.replace("\n", "\r\n"))[0]) == quantities(read(TWO_PAGES)[0])


def test_text_without_its_envelope_reads_the_same(read):
    bare = "".join(line for line in SUB_ACCOUNTS.splitlines(keepends=True) if not line.startswith("{1:"))
    assert [quantities(statement) for statement in read(bare)] == [
        quantities(statement) for statement in read(SUB_ACCOUNTS)
    ]


def test_an_acknowledgement_before_the_message_is_passed_over(read):
    ack = "{1:F21CUSTGB2LAXXX0001000003}{4:{177:2611200700}{451:0}}"
    assert len(read(ack + SUB_ACCOUNTS)) == 4


def test_sub_accounts_are_accounts_and_their_total_is_the_master_s(read):
    found = {statement.account_id: quantities(statement) for statement in read(SUB_ACCOUNTS)}
    isin = "US0378331005"
    assert found == {
        "MASTER": {isin: Decimal("5.5")},
        "SUB-A": {isin: Decimal(10)},
        "SUB-B": {isin: Decimal("-4.5")},
        "SUB-C": {},
    }


def test_the_german_form_is_read_instruments_after_the_general_block(read):
    (statement,) = read(GERMAN)
    stock, bond = statement.positions
    assert statement.account_id == "50010517/5550001"
    assert (stock.symbol, str(stock.quantity), stock.avg_cost) == ("DE0007164600", "120", Decimal(150))
    assert (bond.symbol, str(bond.quantity), bond.avg_cost) == ("DE0001102580", "5000", None)


def test_the_account_of_a_message_that_names_none_is_an_option(read):
    unnamed = GERMAN.replace(":97A::SAFE//50010517/5550001\n", "")
    with pytest.raises(BadData, match=r"no 97a::SAFE.*set the option default_account"):
        read(unnamed)
    (statement,) = read(unnamed, default_account="5550001")
    assert (statement.account_id, len(statement.positions)) == ("5550001", 2)
    (named,) = read(GERMAN, default_account="5550001")
    assert named.account_id == "50010517/5550001"


def test_the_option_names_the_account_of_a_broker_too():
    broker = open_broker("mt535", {"path": str(FIXTURES / "german.fin"), "default_account": "5550001"})
    assert isinstance(broker, BrokerQuery)


def test_instruments_beside_a_statement_that_says_it_has_none_are_refused(read):
    with pytest.raises(BadData, match="says that there is no holding, and lists some"):
        read(GERMAN.replace("ACTI//Y", "ACTI//N"))


FIN = ":16R:FIN\n:35B:ISIN DE0007164600\n:93B::AGGR//UNIT/7,\n:16S:FIN\n"


@pytest.mark.parametrize("text", [SUB_ACCOUNTS.replace("-}", FIN + "-}"), TWO_PAGES.replace("-}", FIN + "-}", 1)])
def test_an_instrument_outside_the_parts_of_a_message_is_refused_and_never_dropped(read, text):
    with pytest.raises(BadData, match="instruments stand both in parts"):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        GERMAN.replace(":16R:ADDINFO\n", f":16R:ADDINFO\n{FIN}"),
        SUB_ACCOUNTS.replace(":16R:FIN\n", f":16R:FIN\n{FIN}", 1),
        SUB_ACCOUNTS.replace(
            ":16R:SUBSAFE\n:97A::SAFE//SUB-C\n", f":16R:SUBSAFE\n:16R:OTHER\n{FIN}:16S:OTHER\n:97A::SAFE//SUB-C\n"
        ),
        SUB_ACCOUNTS.replace(":16S:GENL\n", f"{FIN}:16S:GENL\n"),
    ],
)
def test_an_instrument_in_another_block_is_refused(read, text):
    assert text not in (GERMAN, SUB_ACCOUNTS)
    with pytest.raises(BadData, match="block FIN stands in"):
        read(text)


@pytest.mark.parametrize("field", [":35B:ISIN DE0007164600\n", ":93B::AGGR//UNIT/7,\n"])
def test_a_field_of_an_instrument_outside_of_its_block_is_refused(read, field):
    with pytest.raises(BadData, match="outside of a block FIN"):
        read(GERMAN.replace(":16R:ADDINFO\n", f"{field}:16R:ADDINFO\n"))


@pytest.mark.parametrize(
    ("before", "after", "cost"),
    [
        ("BOOK//EUR18000,", "BOOK//USD18000,", None),
        ("BOOK//EUR18000,\n", "BOOK//EUR18000,\n:19A::BOOK//USD20000,\n", None),
        ("AGGR//UNIT/120,", "AGGR//UNIT/N120,", "150"),
        ("AGGR//UNIT/120,", "AGGR//UNIT/70,", "257.1428571428571428571428571428571"),
        (":93B::AGGR//UNIT/120,", ":16R:FIA\n:12C::CLAS//OCASPS\n:16S:FIA\n:93B::AGGR//UNIT/120,", None),
    ],
)
def test_a_book_value_is_a_cost_per_unit_where_it_can_be(read, before, after, cost):
    assert before in GERMAN
    (statement,) = read(GERMAN.replace(before, after, 1))
    assert statement.positions[0].avg_cost == (None if cost is None else Decimal(cost))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (":16R:A\n" * 20_000, "nest deeper than 32"),
        (":16R:GENL\n:70E::HOLD//x\n" + "x\n" * 1_000_000, "more than 1000 lines"),
        (":16R:GENL\n:70E::HOLD//x\n" + ("x" * 100 + "\n") * 900, "longer than 65536 characters"),
        ("x\n" * 1_000_000, "no SWIFT message begins here"),
        ("\n" * 1_000_000, "no SWIFT message begins here"),
        (":16R:GENL\n:70E::" + "x" * 5_000_000, "longer than"),
        (":16R:GENL\n" + ":16R:A\n:16S:A\n" * 200_000, "more than 200000 fields"),
    ],
)
def test_a_hostile_text_is_refused_within_the_documented_bounds(read, text, told):
    with pytest.raises(BadData, match=told):
        read(text)


def test_an_account_that_states_no_holdings_is_flat(read):
    text = SUB_ACCOUNTS[: SUB_ACCOUNTS.index(":16R:SUBSAFE")].replace("ACTI//Y", "ACTI//N") + "-}\n"
    (statement,) = read(text)
    assert statement.positions == ()


def test_an_empty_statement_that_does_not_say_so_is_incomplete(read):
    text = SUB_ACCOUNTS[: SUB_ACCOUNTS.index(":16R:SUBSAFE")] + "-}\n"
    with pytest.raises(Incomplete, match="does not say that there is none"):
        read(text)
    with pytest.raises(Incomplete, match="does not say that there is none"):
        read(text.replace(":17B::ACTI//Y\n", ""))


FIRST, SECOND = TWO_PAGES.split("{1:F01CUSTGB2LAXXX0001000002}")
SECOND = "{1:F01CUSTGB2LAXXX0001000002}" + SECOND


def test_a_page_alone_is_incomplete_whichever_it_is(read):
    with pytest.raises(Incomplete, match="lacks what follows page 1"):
        read(FIRST)
    with pytest.raises(Incomplete, match="lacks page 1"):
        read(SECOND)


def test_pages_may_come_in_any_order(read):
    assert quantities(read(SECOND + FIRST)[0]) == quantities(read(TWO_PAGES)[0])


def test_a_page_that_comes_twice_is_refused(read):
    with pytest.raises(BadData, match="page 1 of account C-1001 comes twice"):
        read(FIRST + TWO_PAGES)


def test_pages_after_the_last_are_refused(read):
    with pytest.raises(BadData, match="page 1 of account C-1001 is the last, and more follow"):
        read(TWO_PAGES.replace("1/MORE", "1/ONLY"))


@pytest.mark.parametrize("length", range(150, len(TWO_PAGES) - 25, 61))
def test_a_file_cut_anywhere_is_incomplete_and_never_read(read, length):
    with pytest.raises(Incomplete):
        read(TWO_PAGES[:length])


@pytest.mark.parametrize("length", range(0, 150, 10))
def test_a_file_cut_in_its_header_is_never_read(read, length):
    with pytest.raises(ReadError):
        read(TWO_PAGES[:length])


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("CODE//COMP", "CODE//DELT", "a delta must not be read"),
        (":23G:NEWM", ":23G:CANC", "NEWM"),
        ("UNIT/1200,", "UNIT/12.00", "not a SWIFT number"),
        ("UNIT/1200,", "UNIT/", "not a SWIFT number"),
        ("UNIT/1200,", "UNIT/P1200,", "not a SWIFT number"),
        ("AGGR//UNIT/1200,", "AGGR//MYST/1200,", "unknown form"),
        (":93B::AGGR//UNIT/1200,\n", "", "no AGGR balance"),
        (":93B::AGGR//UNIT/1200,\n", ":93B::AGGR//UNIT/1200,\n:93B::AGGR//UNIT/1200,\n", "a second AGGR"),
        (":93B::AGGR//UNIT/1200,\n", ":93B::AGGR//UNIT/1200,\n:93B::AGGR//FAMT/1200,\n", "which one counts is unsure"),
        (":35B:ISIN US0378331005\n/US/037833100\nAPPLE INC\n", "", "field 35B stands there 0 times"),
        (":28E:1/MORE", ":28E:1", "not of the form"),
        (":28E:1/MORE\n", "", "no 28a"),
        (":97A::SAFE//C-1001\n", "", "no 97a::SAFE"),
        (":16S:FIN\n", "", "block"),
        (":98A::STAT//20261119", ":98A::STAT//2026", "is not a date"),
        ("USD270120,5", "270120,5", "not an amount with its currency"),
        ("{2:O535", "{2:O940", "holds an MT940"),
        (":20C::SEME", "20C::SEME\n:noise", "is no SWIFT field"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_its_place(read, before, after, told):
    assert before in TWO_PAGES
    with pytest.raises(BadData, match=told) as caught:
        read(TWO_PAGES.replace(before, after, 1))
    assert "statement.fin: line " in str(caught.value)


def test_a_file_without_a_message_holds_no_statement(read):
    with pytest.raises(BadData, match="holds no account statement"):
        read("nothing to see\n")


def test_only_the_requested_basis_is_read(read):
    both = TWO_PAGES + TWO_PAGES.replace("STBA//SETT", "STBA//TRAD").replace("UNIT/1200,", "UNIT/1300,")
    with pytest.raises(BadData, match="two statements of account C-1001"):
        read(both)
    (statement,) = read(both, basis="TRAD")
    assert statement.positions[0].quantity == 1300
    with pytest.raises(Incomplete, match="CONT"):
        read(both, basis="CONT")


async def test_it_is_a_broker_by_its_name():
    broker = open_broker("mt535", {"path": str(FIXTURES / "two_pages.fin"), "basis": "SETT"})
    assert len(await broker.get_positions("C-1001")) == 4
    with pytest.raises(BadData, match="C-9"):
        await broker.get_positions("C-9")


def test_an_unknown_basis_is_refused():
    with pytest.raises(ConfigurationError, match="'basis'"):
        open_broker("mt535", {"path": "x", "basis": "HOPE"})


needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"there are no shared samples at {SAMPLES}")


@needs_samples
def test_the_german_samples_come_out_digit_for_digit(read):
    (spec,) = read((SAMPLES / "dk_spec_example.fin").read_text(encoding="utf-8"))
    assert spec.account_id == "10020030/1234567"
    assert {row.symbol: str(row.quantity) for row in spec.positions} == {
        "DE0123456789": "100",
        "DE0123456790": "100",
        "AU9876543210": "10000",
    }
    assert [row.market_value for row in spec.positions] == [Decimal(5270), Decimal(5460), None]
    (ing,) = read((SAMPLES / "fints_ing.fin").read_text(encoding="utf-8"), default_account="5551234")
    (held,) = ing.positions
    assert (ing.account_id, held.symbol, str(held.quantity)) == ("5551234", "IE00B4L5YC18", "0.43761")
    assert held.market_value == Decimal("24.32")


@needs_samples
def test_the_samples_are_pages_of_more_and_never_read(read):
    for name, told in [("mt535_mbs_short_available.fin", "lacks page 1"), ("mt535_35b_with_colon.fin", "FIN")]:
        with pytest.raises(ReadError, match=told):
            read((SAMPLES / name).read_text(encoding="utf-8"))


@needs_samples
def test_the_sample_with_a_colon_in_its_description_is_read_digit_for_digit(read):
    text = (SAMPLES / "mt535_35b_with_colon.fin").read_text(encoding="utf-8")
    whole = text.replace("6/MORE", "1/ONLY").replace(":16S:FIN\n:16R:FIN\n", ":16S:FIN\n:16S:SUBSAFE\n")
    (statement,) = read(whole)
    (position,) = statement.positions
    assert (statement.account_id, str(position.quantity)) == ("S 02500", "300")
    # /US/AGGR_AVAI has the place of a CUSIP and is none.
    assert (position.symbol, position.identifiers) == ("AGGR_AVAI", {})


@needs_samples
def test_the_sample_made_whole_comes_out_digit_for_digit(read):
    text = (SAMPLES / "mt535_mbs_short_available.fin").read_text(encoding="utf-8")
    with pytest.raises(Incomplete, match="lacks page 1"):
        read(text)
    (statement,) = read(text.replace("00005/MORE", "00001/ONLY"))
    assert statement.account_id == "F275"
    assert statement.as_of == datetime(2006, 9, 13, tzinfo=UTC)
    # The second instrument is flat in total: N990692 available and 990692 not available.
    (position,) = statement.positions
    assert (position.symbol, str(position.quantity)) == ("31392EXH8", "35732656")
