"""Celery's settings, each with its reason. Loaded by name, and only when Celery is first used.

Every number that an operator may change comes from `reconciliation.settings`; the rest belongs together as it is.
"""

import ssl

from celery.schedules import crontab as _crontab
from kombu import Exchange, Queue

from reconciliation.messages.tasks import DEFAULT_QUEUE as _DEFAULT_QUEUE
from reconciliation.messages.tasks import QUEUES as _QUEUES
from reconciliation.messages.tasks import TASKS as _TASKS
from reconciliation.settings import load_settings

_settings = load_settings()


# --- Where messages and results are -------------------------------------------------------------------------------
broker_url = _settings.celery_url.get_secret_value()
result_backend = broker_url
if broker_url.startswith("rediss:"):
    # Celery refuses a TLS URL that does not say whether to check the certificate. It is checked.
    broker_use_ssl = redis_backend_use_ssl = {"ssl_cert_reqs": ssl.CERT_REQUIRED}

# --- What a message may be ----------------------------------------------------------------------------------------
# JSON only: unpickling a message would run whatever code its sender likes.
accept_content = ["json"]
result_accept_content = ["json"]
task_serializer = "json"
result_serializer = "json"
event_serializer = "json"

# --- Which tasks there are, and where they wait -------------------------------------------------------------------
# The table of tasks is in reconciliation/messages/tasks.py.
imports = tuple(task.module for task in _TASKS)
task_default_queue = _DEFAULT_QUEUE
# Each has an exchange of its own name, as plain Celery's `send_task(queue=...)` makes it: one message, one queue.
task_queues = tuple(Queue(name, Exchange(name, type="direct"), routing_key=name) for name in _QUEUES)
task_routes = {task.name: {"queue": task.queue} for task in _TASKS}
# A misspelt queue is an error at the sender, not a queue that no worker reads.
task_create_missing_queues = False

# --- No run is lost with its worker -------------------------------------------------------------------------------
# Acknowledged when done, so that a killed worker's message is delivered again. Every task stands being run twice.
task_acks_late = True
# The same when only the pool's child is killed (out of memory, for instance).
task_reject_on_worker_lost = True
# Hard limit < lease of a run < visibility time-out: when a message is delivered again, its first run has always ended.
# The soft limit lets a run end as `incomplete` instead of being killed. Limits need the prefork pool.
task_time_limit = _settings.task_time_limit_seconds
task_soft_time_limit = _settings.task_time_limit_seconds * 0.9

# --- One worker takes what it can do now --------------------------------------------------------------------------
# A message that waits inside a busy worker could run in an idle one, and is lost for longer if that worker dies.
worker_prefetch_multiplier = 1
worker_disable_prefetch = True
# Not set on purpose: worker_eta_task_limit leaves a worker's prefetch at 1 for ever after a burst (Celery 5.7.0).

# --- Redis that is away, slow or restarted ------------------------------------------------------------------------
# At start and later: say so, and try again for ever; an orchestrator sees it by the health check.
broker_connection_retry_on_startup = True
broker_connection_retry = True
broker_connection_max_retries = None
# The same for a Redis that answers, but refuses: a primary that became a replica (READONLY), or that lacks replicas
# (NOREPLICAS) or memory. Without it the worker would end.
broker_channel_error_retry = True
broker_connection_timeout = 5
# A run goes on when the connection is lost, and may be made twice under one run id, which is harmless. True would lose
# it: Celery 5.7.0 kills the child, cannot note "retry" in the Redis that is away, and then acknowledges the message.
worker_cancel_long_running_tasks_on_connection_loss = False
_transport_options = {
    # The shortest of all consumers of one Redis wins, so broker and results say the same.
    "visibility_timeout": _settings.visibility_timeout_seconds,
    # Look for abandoned messages every 5 s; the default (every 100 s) would add more than a minute to each recovery.
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    # No answer is a lost connection: without these a firewall that drops packets blocks a worker for ever.
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 10,
    # Keeps Celery's keys apart from our own and from those of other applications in the same Redis.
    "global_keyprefix": _settings.celery_key_prefix,
    # Not set on purpose: retry_on_timeout turns pipelined publishing (Producer.batch) off.
}
broker_transport_options = _transport_options
result_backend_transport_options = _transport_options | {
    # A result that cannot be stored is given up after seconds: no run depends on it.
    "retry_policy": {"max_retries": 3, "interval_start": 0.1, "interval_step": 0.3, "interval_max": 1},
}
redis_socket_timeout = 10
redis_socket_connect_timeout = 5
redis_socket_keepalive = not broker_url.startswith("redis+socket:")
redis_backend_health_check_interval = 10
# A sender hears within seconds that Redis is away, instead of hanging in its own request.
task_publish_retry_policy = {"max_retries": 3, "interval_start": 0.1, "interval_step": 0.3, "interval_max": 1}

# --- Results ------------------------------------------------------------------------------------------------------
# Runs are published on the channels and recorded in the database. A Celery result is only for a caller that waits for
# a task; such tasks keep it (`ignore_result=False`).
task_ignore_result = True
result_expires = 3600
# A caller whose wait times out learns whether a worker had started.
task_track_started = True

# --- Start, stop, processes ---------------------------------------------------------------------------------------
# On SIGQUIT (in containers SIGTERM, by REMAP_SIGTERM=SIGQUIT) running tasks get this long to end, then their messages
# go back to the queue; idle workers with countdowns hand these back too.
worker_soft_shutdown_timeout = 10
worker_enable_soft_shutdown_on_idle = True
# A child imports a broker's SDK at its start, which takes longer than Celery's 4 s on a busy machine.
worker_proc_alive_timeout = 30
# Remote control and events cost little and are what `reconcile check`, `celery inspect` and Flower ask.
worker_enable_remote_control = True
worker_send_task_events = False

# --- Logs: one format, one place that masks secrets (reconciliation.support.logs) ------------------------------------
worker_hijack_root_logger = False
worker_redirect_stdouts = False

# --- Beat ---------------------------------------------------------------------------------------------------------
# A few static ticks; which account is due stands in Redis. So beat has nothing of its own to keep on disk, and any
# number of beats may run at once.
beat_scheduler = "tasks.beat:HeartbeatScheduler"
beat_max_loop_interval = 1
beat_schedule = {
    task.name: {
        "task": task.name,
        "schedule": task.every_seconds or _crontab(minute=task.minute),
    }
    for task in _TASKS
    if task.is_scheduled
}
timezone = "UTC"
enable_utc = True
