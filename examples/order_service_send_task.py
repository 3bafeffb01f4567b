"""An order service that reports a fill without our package: plain Celery and the name of a task.

ORDERS_REDIS_URL=redis://127.0.0.1:6379/0 ORDERS_ACCOUNT=ACC-1 python examples/order_service_send_task.py
"""

import os

from celery import Celery

app = Celery("orders", broker=os.environ.get("ORDERS_REDIS_URL", "redis://127.0.0.1:6379/0"))
# What the workers' Celery puts before its keys: RECONCILIATION_KEY_PREFIX and "celery:".
app.conf.broker_transport_options = {"global_keyprefix": "reconciliation:celery:"}

app.send_task(
    "reconciliation.take_fill",
    queue="reconciliation.fills",
    ignore_result=True,
    kwargs={
        "schema": 1,
        "account_id": os.environ.get("ORDERS_ACCOUNT", "ACC-1"),
        "fill_id": "F-1001",
        "order_id": "O-77",
        "symbol": "AAPL",
        "side": "buy",
        "quantity": "100",
        "price": "189.25",
        "executed_at": "2026-11-20T15:04:05.123+00:00",
    },
)
print("reported")
