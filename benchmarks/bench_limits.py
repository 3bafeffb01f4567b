"""A login's limits, shared by two workers with two slots each: kept, and how much of the rate is used."""

import contextlib
import io
import os
from pathlib import Path

from benchmarks.bench_parts import fresh_site
from benchmarks.figures import Section
from reconciliation.domain.model.accounts import Connection
from reconciliation.domain.model.runs import RunRequest
from tests.acceptance.schedule.http_broker import MeasuringBroker, measuring_broker
from tests.acceptance.schedule.site import Site
from tests.support.processes import Processes
from tests.support.waiting import wait_for

ACCOUNTS = 400
REQUESTS_PER_SECOND, CONCURRENCY = 50, 10
ANSWER_SECONDS = (0.01, 0.04, 0.1)


def measure() -> Section:
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])  # the workers find the broker
    rows, shares = [], {}
    for answer_seconds in ANSWER_SECONDS:
        with contextlib.redirect_stdout(io.StringIO()):  # the workers' logs
            broker = _serve(answer_seconds)
        shares[answer_seconds] = broker.rate / REQUESTS_PER_SECOND
        rows.append(
            [
                f"{answer_seconds * 1000:.0f} ms",
                str(broker.most_at_once),
                str(broker.most_in_a_second),
                f"{broker.rate:.1f}/s",
                f"{shares[answer_seconds]:.0%}",
            ]
        )
    return Section(
        name="limits",
        title="A login's limits",
        columns=["answers after", "most at once", "most in any second", "rate", "of the rate used"],
        rows=rows,
        conclusions=[
            (
                f"limits: {CONCURRENCY} at once, {REQUESTS_PER_SECOND} a second; {2 * ACCOUNTS} requests of two "
                "workers with two slots each, as an HTTP broker sees them, without the first and the last second"
            ),
            f"wanted: never above either, and at least 90 % of the rate; seen at 40 ms: {shares[0.04]:.0%}",
        ],
    )


def _serve(answer_seconds: float) -> MeasuringBroker:
    with fresh_site() as (directory, redis_url, url):
        settings = {"redis_url": redis_url, "database_url": url, "sweep_size": 25}
        with measuring_broker(answer_seconds) as (broker, broker_url), Site(settings) as site:
            opener = "tests.acceptance.schedule.http_broker:open_http_broker"
            limits = {"requests_per_second": REQUESTS_PER_SECOND, "concurrency": CONCURRENCY}
            connection = Connection(name="slow", broker=opener, options={"url": broker_url}, **limits)
            site.parts.stores.connection_store.add(connection)
            names = site.add(ACCOUNTS, connection="slow", enabled=False)
            with Processes(directory) as processes:
                for _ in range(2):
                    processes.worker(site.settings, concurrency=2, wait=True)
                requests = [RunRequest(account_id=name, context={"trigger": "on_demand"}) for name in names]
                site.parts.coordination.due_queue.enqueue(requests)
                processes.beat(site.settings, wait=False)
                wait_for(lambda: len(site.runs()) == ACCOUNTS, 300)
    return broker
