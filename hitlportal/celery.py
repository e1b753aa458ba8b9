"""Configure Celery: messages that only wake, no results, no remote control.

A stolen broker password must cause delay and nothing else. So there is no result backend, no
remote control and no event stream; messages hold the name of a task, and rows decide what runs.
"""

from __future__ import annotations

import logging
import logging.config
import os
import resource
import sys
from typing import Any

from celery import Celery
from celery.signals import (
    celeryd_after_setup,
    celeryd_init,
    setup_logging,
    task_prerun,
    worker_process_init,
)
from kombu import Exchange, Queue

from hitlportal import env, heartbeat, logs
from remediation import niceness, queues

# Beat only sends; it has no settings, no database login and no task code.
IS_BEAT = os.environ.get("HITL_PROCESS") == "beat"
IS_WEB = os.environ.get("HITL_PROCESS") == "web"
if not IS_BEAT:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hitlportal.settings")

# Every how many seconds beat sends a task, and after how many a message is too old.
CLOCK = {
    "remediation.sweep": (2.0, 10),
    "remediation.reconcile": (5.0, 10),
    "remediation.expire": (5.0, 10),
    "remediation.look": (10.0, 20),
    "remediation.read_live": (5.0, 10),
    "remediation.notify": (15.0, 30),
    "remediation.ask_outcome": (60.0, 120),
    "audit.verify": (86_400.0, 3600),
}
# A worker: those that it serves. Beat: those that have a worker.
SERVED = env.some("HITL_ENVIRONMENTS", queues.ENVIRONMENTS)


def schedule() -> dict[str, dict[str, Any]]:
    """Return what beat sends: a task that works on targets once for each environment."""
    return {
        queue.replace(queues.kind_of(queue), task.partition(".")[2], 1): {
            "task": task,
            "schedule": seconds,
            "options": {"expires": expires, "queue": queue},
        }
        for task, (seconds, expires) in CLOCK.items()
        for queue in {queues.queue_of(task, each) for each in SERVED}
    }


app = Celery("hitlportal")
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_consumer="hitlportal.strict:StrictConsumer",
    # A message is acknowledged after its work; the claim in the database decides who works.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    # Longer than any hard timeout of an executor (60 s) with its verification and rollback. What
    # only reads or tells ends sooner.
    task_time_limit=300,
    task_annotations={
        "remediation.assess": {"time_limit": 180},
        "remediation.read_live": {"time_limit": 120},
        "remediation.tell": {"time_limit": 60},
    },
    task_default_queue=queues.queue_of("remediation.execute"),
    task_queues=[Queue(name, Exchange(name), routing_key=name) for name in queues.all_queues()],
    task_routes={task: {"queue": queues.queue_of(task)} for task in queues.WORK},
    broker_transport_options={
        # On Redis kombu redelivers messages not acknowledged in this time; > task_time_limit.
        "visibility_timeout": 360,
        "unacked_restore_interval": 3,
        "unacked_restore_throttle": 1,
        # The web process waits at most a second; a worker's blocking read needs longer.
        "socket_timeout": 1 if IS_WEB else 5,
        "socket_connect_timeout": 1,
        # The same for RabbitMQ, for each answer and each write. Others wait by reading.
        **({"read_timeout": 1, "write_timeout": 1} if IS_WEB else {}),
    },
    # The web process never waits for the broker: one attempt, then the sweeper sends. Beat keeps
    # one connection and replaces it only when it tries again. Without that it sends nothing more
    # after RabbitMQ was away.
    task_publish_retry=IS_BEAT,
    broker_connection_timeout=1,
    broker_connection_retry_on_startup=True,
    beat_schedule=schedule(),
    beat_schedule_filename=env.text("HITL_BEAT_SCHEDULE"),
    timezone="UTC",
    # The settings log to standard error, at HITL_LOG_LEVEL.
    worker_redirect_stdouts=False,
    # Without this Celery closes the database connection before and after every task. A new one
    # costs 6 ms, and the guards' functions must plan their queries again: 60 ms in all, six times
    # the work itself.
    CELERY_DB_REUSE_MAX=sys.maxsize,
)


heartbeat.connect(app, is_beat=IS_BEAT)


@app.on_configure.connect
def read_broker(sender: Any, **_: Any) -> None:
    """Read the broker's URL from the environment, since beat has no Django settings."""
    sender.conf.broker_url = env.broker(env.secret("HITL_BROKER_URL"))


@celeryd_init.connect
def read_strictly(**_: Any) -> None:
    """Take only messages of the portal's own form (A72)."""
    from hitlportal import strict

    strict.install()


@celeryd_after_setup.connect
def take_own_queues(instance: Any, **_: Any) -> None:
    """Take from the queues of the environments that this worker serves; `--queues` names kinds."""
    found = instance.app.amqp.queues
    found.select(queues.served(list(found.consume_from), SERVED))


@setup_logging.connect
def log(**_: Any) -> None:
    """Log at HITL_LOG_LEVEL; a receiver of this signal keeps Celery from its own way."""
    if IS_BEAT:
        logging.config.dictConfig(logs.configuration())


@celeryd_init.connect
def leave_no_core(**_: Any) -> None:
    """Let a crash leave no core file: it would hold the credentials of the call. Children inherit
    the limit."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@worker_process_init.connect
def warm_up(**_: Any) -> None:
    """Open the database connection before the first message: a SCRAM login takes 6 ms."""
    from django.db import connection

    connection.ensure_connection()


@worker_process_init.connect
def stand_back(**_: Any) -> None:
    """Let execution and pages win the CPU over assessments (A83)."""
    if niceness.is_fed_by_agents(app.amqp.queues.consume_from):
        niceness.stand_back()


@task_prerun.connect
def check_connection(**_: Any) -> None:
    """Close broken database connections before a task, as Django does before each request.

    The health check then runs before the task's first statement.
    """
    from django.db import close_old_connections

    close_old_connections()


if IS_BEAT:
    # Other processes stop in their settings. Celery only logs what `read_broker` raises, and would
    # go on with guest@localhost.
    env.broker(env.secret("HITL_BROKER_URL"))
else:
    from hitlportal.lookout import Lookout
    from hitlportal.watchdog import Watchdog

    app.autodiscover_tasks(["remediation", "audit"])
    app.steps["worker"].update({Watchdog, Lookout})
