"""What every cluster must do, on processes and in containers. Imported by the tests of both tiers."""

from uuid import uuid4

from pytest_celery import CeleryTestSetup

RECONCILE = "reconciliation.reconcile_account"
ANSWER_TIMEOUT_SECONDS = 90


def ask(setup: CeleryTestSetup) -> None:
    """Ask for a run by plain Celery, and hold its answer against what was asked."""
    run_id = str(uuid4())
    asked = setup.app.send_task(
        RECONCILE, kwargs={"account_id": "A-1", "run_id": run_id, "schema": 1}, queue="reconciliation"
    )
    answer = asked.get(timeout=ANSWER_TIMEOUT_SECONDS)
    assert answer["run_id"] == run_id
    assert answer["outcome"] == "incomplete"  # there is no such account


def test_a_run_goes_through_and_killed_worker_and_restarted_broker_go_on(celery_setup: CeleryTestSetup):
    assert len(celery_setup) == 3
    celery_setup.worker.assert_log_exists(" ready.")
    ask(celery_setup)
    celery_setup.worker.kill()
    celery_setup.worker.restart()
    ask(celery_setup)
    celery_setup.broker.restart()
    ask(celery_setup)
