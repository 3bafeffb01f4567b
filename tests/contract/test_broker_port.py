"""The entrance exam of every broker: it answers what it was given, or it raises; it never says "flat" for "unknown"."""

from collections import defaultdict
from decimal import Decimal

import pytest

from reconciliation.broker.query import BrokerQuery, BrokerSnapshot, ClosableBroker, SnapshotBroker
from reconciliation.comparator import Comparator
from reconciliation.errors import ReadError
from reconciliation.gather import read_broker
from reconciliation.local.provider import LocalPosition, LocalSnapshot
from reconciliation.models import ReconciliationConfig
from tests.brokers.cases import ACCOUNT, BrokerCase, Fault, Situation
from tests.contract.broker_cases import BROKER_CASES

pytestmark = pytest.mark.parametrize("case", [case() for case in BROKER_CASES.values()], ids=list(BROKER_CASES))


async def read(broker: BrokerQuery) -> BrokerSnapshot:
    try:
        answer = await read_broker(broker, ACCOUNT, 20)
    finally:
        if isinstance(broker, ClosableBroker):
            await broker.close()
    if isinstance(answer, ReadError):
        raise answer
    return answer


def skip_what_cannot_be_said(case: BrokerCase, asked: Situation | Fault) -> None:
    if asked in case.cannot_express:
        pytest.skip(case.cannot_express[asked])


@pytest.mark.parametrize("situation", Situation, ids=lambda situation: situation.name.lower())
async def test_the_answer_is_what_the_broker_holds(case: BrokerCase, situation: Situation) -> None:
    skip_what_cannot_be_said(case, situation)
    book = situation.value
    with case.serve(book) as broker:
        snapshot = await read(broker)

    expected: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    values: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in book.rows:
        expected[row.symbol, row.asset_type] += row.quantity
        values[row.symbol, row.asset_type] += row.market_value or 0
    found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    found_values: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in snapshot.positions:
        found[row.symbol, row.asset_type] += row.quantity
        found_values[row.symbol, row.asset_type] += row.market_value or 0
    assert found == expected
    assert found_values == values
    assert snapshot.account.account_id == ACCOUNT
    assert snapshot.account.cash == (None if case.unsaid.cash else book.cash)
    assert snapshot.account.total_equity == (None if case.unsaid.equity else book.equity)


@pytest.mark.parametrize("situation", Situation, ids=lambda situation: situation.name.lower())
async def test_the_same_book_on_our_side_is_clean(case: BrokerCase, situation: Situation) -> None:
    skip_what_cannot_be_said(case, situation)
    book = situation.value
    with case.serve(book) as broker:
        snapshot = await read(broker)
    ours = LocalSnapshot(
        account_id=ACCOUNT,
        positions=[LocalPosition(row.symbol, row.quantity, row.avg_cost, row.asset_type) for row in book.rows],
        cash=book.cash,
        equity=book.equity,
    )

    comparison = Comparator(ReconciliationConfig(ACCOUNT)).compare(ours, snapshot)

    assert comparison.discrepancies == []
    assert comparison.positions_checked == len({row.symbol for row in book.rows})


async def test_what_the_medium_does_not_say_is_none_and_not_zero(case: BrokerCase) -> None:
    skip_what_cannot_be_said(case, Situation.MISSING_COST)
    with case.serve(Situation.MISSING_COST.value) as broker:
        (position,) = (await read(broker)).positions

    assert position.avg_cost is None


async def test_an_option_says_its_multiplier_or_nothing(case: BrokerCase) -> None:
    skip_what_cannot_be_said(case, Situation.OPTION)
    with case.serve(Situation.OPTION.value) as broker:
        (position,) = (await read(broker)).positions

    assert position.multiplier == (None if case.unsaid.multiplier else 100)
    assert position.avg_cost == (None if case.unsaid.avg_cost else Decimal("5.506"))


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
async def test_what_is_no_sure_answer_raises_a_read_error(case: BrokerCase, fault: Fault) -> None:
    skip_what_cannot_be_said(case, fault)
    with case.fail(fault) as broker, pytest.raises(ReadError) as raised:
        await read(broker)

    assert str(raised.value)


async def test_both_ways_to_ask_give_the_same_answer(case: BrokerCase) -> None:
    with case.serve(Situation.ONE_POSITION.value) as broker:
        positions = await broker.get_positions(ACCOUNT)
        account = await broker.get_account(ACCOUNT)
        snapshot = await read(broker)

    assert list(positions) == list(snapshot.positions)
    assert account == snapshot.account


async def test_one_accounts_failure_is_not_the_others(case: BrokerCase) -> None:
    with case.serve(Situation.ONE_POSITION.value) as broker:
        if not isinstance(broker, SnapshotBroker):
            pytest.skip("is asked for one account at a time")
        answers = await broker.get_snapshots([ACCOUNT, "NO-SUCH-ACCOUNT"])

    assert isinstance(answers[ACCOUNT], BrokerSnapshot)
    assert set(answers) == {ACCOUNT, "NO-SUCH-ACCOUNT"}


def test_the_broker_keeps_the_port(case: BrokerCase) -> None:
    with case.serve(Situation.ONE_POSITION.value) as broker:
        assert isinstance(broker, BrokerQuery)
