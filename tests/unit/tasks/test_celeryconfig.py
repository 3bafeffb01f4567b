"""Celery's settings as they are loaded, and the rules that they must keep together."""

import pytest
from celery.app.defaults import DEFAULTS, SETTING_KEYS

from reconciliation.settings import load_settings
from tasks.celery import app

QUEUES = {
    "reconciliation",
    "reconciliation.fills",
    "reconciliation.wake_ups",
    "reconciliation.sweeps",
    "reconciliation.control",
}


@pytest.fixture(scope="module")
def conf():
    return app.conf


def test_only_json_gets_in_or_out(conf):
    assert conf.accept_content == conf.result_accept_content == ["json"]
    assert conf.task_serializer == conf.result_serializer == conf.event_serializer == "json"


def test_time_limit_stays_below_the_visibility_time_out_of_broker_and_results(conf):
    assert conf.task_soft_time_limit < conf.task_time_limit
    for options in (conf.broker_transport_options, conf.result_backend_transport_options):
        assert conf.task_time_limit < options["visibility_timeout"] == load_settings().visibility_timeout_seconds


def test_a_message_is_acknowledged_after_its_work_and_taken_only_by_a_free_worker(conf):
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.worker_prefetch_multiplier == 1
    assert conf.worker_disable_prefetch
    assert conf.worker_eta_task_limit is None


def test_each_queue_gets_only_its_own_messages(conf):
    assert {queue.name for queue in conf.task_queues} == QUEUES
    assert all(queue.exchange.name == queue.routing_key == queue.name for queue in conf.task_queues)


def test_pipelined_publishing_stays_on(conf):
    assert "retry_on_timeout" not in conf.broker_transport_options


def test_each_of_our_tasks_has_a_public_name_and_a_queue_that_exists(conf):
    app.loader.import_default_modules()
    local = {name for name in app.tasks if not name.startswith(("celery.", "pytest_celery."))}
    assert local
    for name in local:
        assert name.startswith("reconciliation."), name
        assert conf.task_routes[name]["queue"] in QUEUES


def test_every_beat_entry_names_a_task_that_exists(conf):
    app.loader.import_default_modules()
    assert {entry["task"] for entry in conf.beat_schedule.values()} <= set(app.tasks)


def test_every_setting_is_one_that_celery_knows():
    import celeryconfig  # noqa: PLC0415 - as Celery does: when it is needed

    # The Redis backend reads this one, but Celery's own list lacks it.
    known = {*DEFAULTS, *SETTING_KEYS, "redis_backend_health_check_interval"}
    local = {name for name in vars(celeryconfig) if name.islower() and not name.startswith("_")}
    modules = {"ssl", "load_settings"}
    assert local - modules <= known
