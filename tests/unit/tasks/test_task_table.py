"""The table of tasks, and that Celery's settings and the tasks themselves say the same."""

from pathlib import Path

from celery.schedules import crontab

import tasks
from reconciliation.messages.tasks import QUEUES, TASKS
from tasks.celery import app

HELPERS = {"__init__", "__main__", "base", "beat", "celery", "redis_check", "runtime", "shutdown"}


def test_each_task_is_in_a_file_of_its_name_and_nothing_else_is_a_task() -> None:
    app.loader.import_default_modules()
    local = {name: each for name, each in app.tasks.items() if name.startswith("reconciliation.")}
    assert {name: each.__module__ for name, each in local.items()} == {spec.name: spec.module for spec in TASKS}
    files = {path.stem for path in Path(tasks.__file__).parent.glob("*.py")}
    assert files - HELPERS == {spec.name.removeprefix("reconciliation.") for spec in TASKS}


def test_the_names_of_tasks_are_the_public_ones() -> None:
    assert {spec.name for spec in TASKS} == {
        "reconciliation.reconcile_account",
        "reconciliation.take_fill",
        "reconciliation.run_after_fills",
        "reconciliation.sweep_accounts",
        "reconciliation.dispatch_due_accounts",
        "reconciliation.reclaim_fill_windows",
        "reconciliation.relay_events",
        "reconciliation.check_missed_slots",
        "reconciliation.prune",
        "reconciliation.verify",
    }


def test_each_task_goes_to_its_queue() -> None:
    assert {name: route["queue"] for name, route in app.conf.task_routes.items()} == {
        spec.name: spec.queue for spec in TASKS
    }
    assert {spec.queue for spec in TASKS} == set(QUEUES)


def test_beat_sends_what_the_table_says_and_no_other() -> None:
    sent = {entry["task"]: entry["schedule"] for entry in app.conf.beat_schedule.values()}
    expected = {spec.name: spec.every_seconds or crontab(minute=spec.minute) for spec in TASKS if spec.is_scheduled}
    assert sent == expected


def test_a_task_that_beat_sends_is_not_tried_again_and_is_one_of_its_kind() -> None:
    app.loader.import_default_modules()
    for spec in TASKS:
        if spec.is_scheduled:
            assert app.tasks[spec.name].max_retries == 0
            assert 0 < spec.collapse_ms < 1000 * (spec.every_seconds or 3600)


def test_only_a_task_with_a_result_keeps_one() -> None:
    app.loader.import_default_modules()
    assert {spec.name: app.tasks[spec.name].ignore_result for spec in TASKS} == {
        spec.name: not spec.has_result for spec in TASKS
    }
