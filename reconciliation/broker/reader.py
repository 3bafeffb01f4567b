"""Reading many accounts over their connections: grouped, awaited together, each failing by itself."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from reconciliation.broker.query import BrokerQuery, BrokerSnapshot, SnapshotBroker
from reconciliation.errors import BadData, ConfigurationError, ReadError
from reconciliation.gather import of_account, read_broker, surely
from reconciliation.sweep import AccountPlan

Answers = dict[str, BrokerSnapshot | ReadError]


class Connections(Protocol):
    """Where an open broker of a connection comes from; opened once a process."""

    async def get_broker(self, connection: str) -> BrokerQuery:
        """Return the connection's broker, opening it at first use.

        Raises:
            ConfigurationError: the connection is unknown or cannot work as it is configured.
        """
        ...


class ConnectionReader:
    """Reads accounts through the brokers of their connections; answers by our account ids."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def read(self, plans: Sequence[AccountPlan]) -> Mapping[str, BrokerSnapshot | ReadError]:
        """Return an entry for each plan. Never raises for a broker's failure."""
        by_connection: dict[str, list[AccountPlan]] = defaultdict(list)
        for plan in plans:
            by_connection[plan.connection].append(plan)
        groups = (self._read_connection(name, group) for name, group in by_connection.items())
        answers: Answers = {}
        for part in await asyncio.gather(*groups):
            answers.update(part)
        return answers

    async def _read_connection(self, connection: str, plans: Sequence[AccountPlan]) -> Answers:
        try:
            broker = await self._connections.get_broker(connection)
        except ConfigurationError as error:
            failure = BadData(f"connection {connection!r} cannot be used: {error}")
            return {plan.config.account_id: failure for plan in plans}
        if isinstance(broker, SnapshotBroker):
            return await _read_together(broker, plans)
        return await _read_each(broker, plans)


async def _read_together(broker: SnapshotBroker, plans: Sequence[AccountPlan]) -> Answers:
    asked = [plan.broker_account_id for plan in plans]
    timeout_seconds = max(plan.config.read_timeout_seconds for plan in plans)
    answer = await surely(broker.get_snapshots(asked), "broker", asked[0], timeout_seconds)
    if isinstance(answer, ReadError):
        return {plan.config.account_id: answer for plan in plans}
    return {
        plan.config.account_id: _as_ours(of_account(answer, "broker", plan.broker_account_id), plan) for plan in plans
    }


async def _read_each(broker: BrokerQuery, plans: Sequence[AccountPlan]) -> Answers:
    reads = (read_broker(broker, plan.broker_account_id, plan.config.read_timeout_seconds) for plan in plans)
    answers = await asyncio.gather(*reads)
    return {plan.config.account_id: _as_ours(answer, plan) for plan, answer in zip(plans, answers, strict=True)}


def _as_ours(answer: BrokerSnapshot | ReadError, plan: AccountPlan) -> BrokerSnapshot | ReadError:
    """Give the answer our account id, once it is sure that it is of the account that was asked for."""
    if isinstance(answer, ReadError):
        return answer
    got = answer.account.account_id
    if got != plan.broker_account_id:
        return BadData(f"asked for account {plan.broker_account_id!r}, got {got!r}")
    return replace(answer, account=replace(answer.account, account_id=plan.config.account_id))
