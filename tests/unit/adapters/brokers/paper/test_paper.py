import json
from decimal import Decimal
from pathlib import Path

import pytest

from reconciliation.adapters.brokers.paper.paper import PaperBroker, open_paper
from reconciliation.domain.model.models import AssetType, OrderFill
from reconciliation.domain.model.runs import utc_now
from reconciliation.domain.model.snapshots import BrokerSnapshot
from reconciliation.errors import BadData, ConfigurationError, InvalidInputError, ReadError, Unavailable
from reconciliation.ports.broker import BrokerQuery


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def fill(side: str, quantity: str, price: str, symbol: str = "AAPL") -> OrderFill:
    return OrderFill("f1", "o1", symbol, side, Decimal(quantity), Decimal(price), utc_now())


async def test_an_account_that_was_never_set_has_the_documented_balances() -> None:
    account = await PaperBroker().get_account("A")

    assert (account.cash, account.total_equity) == (Decimal("100000.00"), Decimal("100000.00"))
    assert (account.buying_power, account.margin_used) == (Decimal("200000.00"), 0)
    assert await PaperBroker().get_positions("A") == []


async def test_positions_and_balances_are_answered_as_they_were_set() -> None:
    broker = PaperBroker()
    broker.add_position("A", "AAPL", 100, Decimal(150), Decimal(15500))
    broker.add_position("A", "AAPL", 5, None, None, AssetType.OPTION)
    broker.set_account("A", Decimal(1), None, Decimal(3), None)

    stock, option = await broker.get_positions("A")
    account = await broker.get_account("A")

    assert (stock.quantity, stock.avg_cost, stock.asset_type) == (100, 150, AssetType.STOCK)
    assert (option.quantity, option.avg_cost, option.asset_type) == (5, None, AssetType.OPTION)
    assert (account.cash, account.buying_power, account.total_equity, account.margin_used) == (1, None, 3, None)
    assert isinstance(broker, BrokerQuery)


async def test_a_fill_shows_after_its_delay_and_not_before() -> None:
    clock = Clock()
    broker = PaperBroker(fill_delay=3.0, clock=clock)
    broker.apply_fill("A", fill("buy", "10", "150"))

    clock.seconds = 2.9
    assert await broker.get_positions("A") == []
    clock.seconds = 3.0
    (position,) = await broker.get_positions("A")
    account = await broker.get_account("A")

    assert (position.quantity, position.avg_cost, position.market_value) == (10, 150, 1500)
    assert (account.cash, account.total_equity) == (98500, 100000)


@pytest.mark.parametrize(
    ("fills", "quantity", "cost"),
    [
        ([("buy", "10", "100"), ("buy", "30", "200")], 40, 175),
        ([("buy", "10", "100"), ("sell", "4", "200")], 6, 100),
        ([("buy", "10", "100"), ("sell", "15", "200")], -5, 200),
        ([("sell", "10", "100"), ("sell", "10", "50")], -20, 75),
    ],
)
async def test_fills_move_quantity_and_average_cost(
    fills: list[tuple[str, str, str]], quantity: int, cost: int
) -> None:
    broker = PaperBroker()
    for one in fills:
        broker.apply_fill("A", fill(*one))

    (position,) = await broker.get_positions("A")

    assert (position.quantity, position.avg_cost) == (quantity, cost)


async def test_a_position_that_is_sold_off_is_gone() -> None:
    broker = PaperBroker()
    broker.apply_fill("A", fill("buy", "10", "100"))
    broker.apply_fill("A", fill("sell", "10", "110"))

    assert await broker.get_positions("A") == []
    assert (await broker.get_account("A")).cash == 100100


async def test_an_option_fill_costs_its_multiplier() -> None:
    broker = PaperBroker()
    broker.apply_fill("A", fill("buy", "2", "1.50", "X"), asset_type=AssetType.OPTION, multiplier=100)

    assert (await broker.get_account("A")).cash == 99700


async def test_one_accounts_error_leaves_the_others_answered() -> None:
    broker = PaperBroker()
    broker.set_error("B", Unavailable("down"))

    answers = await broker.get_snapshots(["A", "B"])

    assert isinstance(answers["A"], BrokerSnapshot)
    assert isinstance(answers["B"], Unavailable)
    with pytest.raises(Unavailable):
        await broker.get_account("B")


def test_a_negative_delay_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="fill_delay"):
        PaperBroker(fill_delay=-1)


async def test_accounts_come_from_inline_options() -> None:
    position = {"symbol": "AAPL", "quantity": 1.1, "avg_cost": "150.5", "asset_type": "stock"}
    broker = open_paper({"accounts": {"A": {"cash": 10.1, "positions": [position]}, "B": {"error": "auth"}}}, {})

    (held,) = await broker.get_positions("A")
    account = await broker.get_account("A")

    assert (held.quantity, held.avg_cost, account.cash) == (Decimal("1.1"), Decimal("150.5"), Decimal("10.1"))
    assert account.total_equity is None
    with pytest.raises(ReadError) as failed:
        await broker.get_positions("B")
    assert failed.value.kind == "auth"


async def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "paper.json"
    path.write_text(json.dumps({"accounts": {"A": {"cash": 1}}}))
    broker = open_paper({"file": str(path)}, {})
    assert (await broker.get_account("A")).cash == 1

    newer = tmp_path / "newer"
    newer.write_text(json.dumps({"accounts": {"A": {"cash": 22}}}))
    newer.replace(path)

    assert (await broker.get_account("A")).cash == 22


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ('{"accounts": {"A": {"cash": NaN}}}', BadData, "cash"),
        ("{", BadData, "line 1"),
        ("[]", BadData, "accounts"),
        ('{"accounts": {"A": {"positions": [{"symbol": "X"}]}}}', BadData, r"A: positions\[0\]: quantity"),
        ('{"accounts": {"A": {"csah": 1}}}', BadData, "csah"),
    ],
)
async def test_a_file_that_cannot_be_read_is_an_error_with_its_place(
    tmp_path: Path, content: str, error: type[ReadError], message: str
) -> None:
    path = tmp_path / "paper.json"
    path.write_text(content)

    with pytest.raises(error, match=message):
        await open_paper({"file": str(path)}, {}).get_positions("A")


async def test_a_missing_file_is_unavailable_not_flat(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"nowhere\.json"):
        await open_paper({"file": str(tmp_path / "nowhere.json")}, {}).get_positions("A")


@pytest.mark.parametrize("options", [{"acounts": {}}, {"accounts": []}, {"file": ""}, {"fill_delay_seconds": -1}])
def test_options_that_cannot_work_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="paper"):
        open_paper(options, {})


@pytest.mark.parametrize("options", [{}, {"accounts": {"A": {"cash": 1}}}])
async def test_the_broker_opened_by_name_refuses_an_account_that_it_was_not_given(options: dict[str, object]) -> None:
    broker = open_paper(options, {})
    with pytest.raises(BadData, match="no account 'X': add it to its options or its file"):
        await broker.get_positions("X")
    with pytest.raises(BadData):
        await broker.get_account("X")


async def test_a_file_does_not_answer_for_other_accounts(tmp_path: Path) -> None:
    (tmp_path / "paper.json").write_text('{"accounts": {"A": {"cash": 1}}}')
    broker = open_paper({"file": str(tmp_path / "paper.json")}, {})
    assert await broker.get_positions("A") == []
    with pytest.raises(BadData):
        await broker.get_positions("X")


async def test_a_rehearsal_may_let_it_answer_for_any_account() -> None:
    broker = open_paper({"any_account": True}, {})
    assert await broker.get_positions("X") == []
    assert (await broker.get_account("X")).cash == Decimal("100000.00")
