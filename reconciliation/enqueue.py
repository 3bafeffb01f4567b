"""Public names: what an order service calls. `enqueue_*` are the older names of `report_*`."""

from reconciliation.client.report_fills import (
    Fill,
    FillReporter,
    close_default_reporter,
    default_reporter,
    enqueue_fill,
    enqueue_fill_async,
    enqueue_fills,
    enqueue_fills_async,
    report_fill,
    report_fill_async,
    report_fills,
    report_fills_async,
)

__all__ = [
    "Fill",
    "FillReporter",
    "close_default_reporter",
    "default_reporter",
    "enqueue_fill",
    "enqueue_fill_async",
    "enqueue_fills",
    "enqueue_fills_async",
    "report_fill",
    "report_fill_async",
    "report_fills",
    "report_fills_async",
]
