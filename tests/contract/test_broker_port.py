"""The entrance exam of every broker: it answers what it was given, or it raises; it never says "flat" for "unknown"."""

from collections import Counter

import pytest

from reconciliation.domain.comparison.comparator import Comparator
from reconciliation.domain.model.models import ReconciliationConfig
from reconciliation.domain.model.snapshots import BrokerSnapshot, LocalPosition, LocalSnapshot
from reconciliation.errors import ReadError
from reconciliation.ports.broker import BrokerQuery, ClosableBroker, SnapshotBroker
from reconciliation.usecases.read_sides import read_broker
from tests.brokers.cases import CONNECTION_FAULTS, HTTP_FAULTS, BrokerCase, Fault, Situation
from tests.contract.broker_cases import BROKER_CASES

ON_THE_WIRE = {*CONNECTION_FAULTS, *HTTP_FAULTS, Fault.CUT_OFF, Fault.NOTHING, Fault.GARBAGE, Fault.WRONG_SHAPE}


def question(case: BrokerCase, asked: Situation | Fault, *names: str) -> object:
    """Return a question to a broker; one that its medium cannot express is skipped, for the reason that it gives."""
    [broker] = [name for name, each in BROKER_CASES.items() if each is case]
    reason = case.cannot_express.get(asked)
    marks = [pytest.mark.skip(reason=reason)] if reason else []
    return pytest.param(case, asked, *names, id="-".join([asked.name.lower(), *names, broker]), marks=marks)


every_broker = pytest.mark.parametrize("case", BROKER_CASES.values(), ids=list(BROKER_CASES))
every_situation = pytest.mark.parametrize(
    ("case", "situation"),
    [
        question(case, situation)
        for situation in Situation
        for case in BROKER_CASES.values()
        if situation is not Situation.UNKNOWN_WORD and situation not in case.refuses
    ],
)
every_fault = pytest.mark.parametrize(
    ("case", "fault", "part"),
    [
        question(case, fault, part)
        for fault in Fault
        for case in BROKER_CASES.values()
        for part in (case.parts if fault in ON_THE_WIRE else case.parts[:1])
    ],
)
every_refusal = pytest.mark.parametrize(
    ("case", "situation"),
    [question(case, situation) for case in BROKER_CASES.values() for situation in case.refuses],
)


def only(situation: Situation) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("case", "situation"),
        [question(case, situation) for case in BROKER_CASES.values() if situation not in case.refuses],
    )


async def read(case: BrokerCase, broker: BrokerQuery) -> BrokerSnapshot:
    answer = await attempt(case, broker)
    if isinstance(answer, ReadError):
        raise answer
    return answer


async def attempt(case: BrokerCase, broker: BrokerQuery) -> BrokerSnapshot | ReadError:
    try:
        return await read_broker(broker, case.account_id, 20)
    finally:
        await close(case, broker)


async def close(case: BrokerCase, broker: BrokerQuery) -> None:
    if isinstance(broker, ClosableBroker) and not case.keeps(broker):
        await broker.close()


@every_situation
async def test_positions_are_a_list(case: BrokerCase, situation: Situation) -> None:
    with case.serve(case.book(situation)) as broker:
        try:
            assert type(await broker.get_positions(case.account_id)) is list
        finally:
            await close(case, broker)


@every_situation
async def test_the_answer_is_what_the_broker_holds(case: BrokerCase, situation: Situation) -> None:
    book = case.book(situation)
    with case.serve(book) as broker:
        snapshot = await read(case, broker)

    expected, values = Counter(), Counter()
    for row in book.rows:
        expected[row.symbol, row.asset_type] += row.quantity
        values[row.symbol, row.asset_type] += 0 if case.unsaid.market_value else row.market_value
    found, found_values = Counter(), Counter()
    for row in snapshot.positions:
        found[row.symbol, row.asset_type] += row.quantity
        found_values[row.symbol, row.asset_type] += row.market_value or 0
    assert found == expected
    assert found_values == values
    assert snapshot.account.account_id == case.account_id
    assert snapshot.account.cash == (None if case.unsaid.cash else book.cash)
    assert snapshot.account.total_equity == (None if case.unsaid.equity else book.equity)


@every_situation
async def test_the_same_book_on_our_side_is_clean(case: BrokerCase, situation: Situation) -> None:
    book = case.book(situation)
    with case.serve(book) as broker:
        snapshot = await read(case, broker)
    local = LocalSnapshot(
        account_id=case.account_id,
        positions=[LocalPosition(row.symbol, row.quantity, row.avg_cost, row.asset_type) for row in book.rows],
        cash=book.cash,
        equity=book.equity,
    )

    comparison = Comparator(ReconciliationConfig(case.account_id)).compare(local, snapshot)

    assert comparison.discrepancies == []
    assert comparison.positions_checked == len({row.symbol for row in book.rows})


@every_refusal
async def test_what_the_broker_s_own_rules_exclude_is_refused(case: BrokerCase, situation: Situation) -> None:
    with case.serve(case.book(situation)) as broker, pytest.raises(case.refuses[situation]):
        await read(case, broker)


@only(Situation.UNKNOWN_WORD)
async def test_what_has_an_unknown_word_is_refused_or_kept_and_never_lost(
    case: BrokerCase, situation: Situation
) -> None:
    book = case.book(situation)
    with case.serve(book) as broker:
        answer = await attempt(case, broker)

    kept = book.rows if isinstance(answer, ReadError) else answer.positions
    assert [(row.symbol, row.quantity) for row in kept] == [(row.symbol, row.quantity) for row in book.rows]


@only(Situation.MISSING_COST)
async def test_what_the_medium_does_not_say_is_none_and_not_zero(case: BrokerCase, situation: Situation) -> None:
    with case.serve(case.book(situation)) as broker:
        (position,) = (await read(case, broker)).positions

    assert position.avg_cost is None


@only(Situation.OPTION)
async def test_an_option_says_its_multiplier_or_nothing(case: BrokerCase, situation: Situation) -> None:
    (held,) = case.book(situation).rows
    with case.serve(case.book(situation)) as broker:
        (position,) = (await read(case, broker)).positions

    assert position.multiplier == (None if case.unsaid.multiplier else held.multiplier)
    assert position.avg_cost == (None if case.unsaid.avg_cost else held.avg_cost)


@every_fault
async def test_what_is_no_sure_answer_raises_a_read_error(case: BrokerCase, fault: Fault, part: str) -> None:
    expected = fault.value
    with case.fail(fault, part) as broker, pytest.raises(expected.error) as raised:
        await read(case, broker)

    assert str(raised.value)
    assert getattr(raised.value, "retry_after_seconds", None) == expected.retry_after_seconds


@every_broker
async def test_both_ways_to_ask_give_the_same_answer(case: BrokerCase) -> None:
    with case.serve(case.book(Situation.ONE_POSITION)) as broker:
        positions = await broker.get_positions(case.account_id)
        account = await broker.get_account(case.account_id)
        snapshot = await read(case, broker)

    assert positions == list(snapshot.positions)  # a list: callers compare and extend it
    assert account == snapshot.account


@every_broker
async def test_one_accounts_failure_is_not_the_others(case: BrokerCase) -> None:
    with case.serve(case.book(Situation.ONE_POSITION)) as broker:
        asked = [case.account_id, "NO-SUCH-ACCOUNT"]
        if isinstance(broker, SnapshotBroker):
            answers = await broker.get_snapshots(asked)
        else:
            answers = {account_id: await read_broker(broker, account_id, 20) for account_id in asked}
        await close(case, broker)

    assert isinstance(answers[case.account_id], BrokerSnapshot)
    assert set(answers) == set(asked)


@every_broker
async def test_the_broker_keeps_the_port(case: BrokerCase) -> None:
    with case.serve(case.book(Situation.ONE_POSITION)) as broker:
        assert isinstance(broker, BrokerQuery)
        await close(case, broker)
