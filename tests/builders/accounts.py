"""Accounts in a registry, for tests that ask a broker for them."""

from collections.abc import Mapping
from typing import Any

from reconciliation.adapters.database.engine import build_engine
from reconciliation.adapters.database.registry import Registry
from reconciliation.domain.model.accounts import RegisteredAccount

#: Settings of a broker that answers "flat" with the default balances for every account.
ANY_ACCOUNT: Mapping[str, Any] = {"broker": "paper", "broker_options": {"any_account": True}}


def register(database_url: str, *account_ids: str) -> None:
    """Register accounts with nothing of their own, and leave them out of the schedule."""
    engine = build_engine(database_url)
    Registry(engine).add(RegisteredAccount(account_id=name, enabled=False) for name in account_ids)
    engine.dispose()
