"""deploy/: the programs that read the sample files check them, where they are installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from hitlportal.demo.servers import broker
from hitlportal.demo.servers.binaries import valkey_binary
from hitlportal.demo.servers.ports import free_port
from hitlportal.demo.servers.process import Child
from tests.docs.pages import ROOT
from tests.docs.test_configuration import read_variables
from tests.needs import needs

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
BIN = Path(sys.executable).parent
ACL = (DEPLOY / "valkey" / "users.acl").read_text("utf-8")
CELERY_WORKERS = [unit for unit in UNITS if "hitlportal.celery worker" in unit.read_text("utf-8")]


def settings(unit: Path) -> dict[str, list[str]]:
    """Return the assignments of a unit file, by name."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", unit.read_text("utf-8"), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def environment(unit: Path) -> set[str]:
    """Return the variables that a unit gives its process, by env file and credentials."""
    given = settings(unit)
    names = {value.partition("=")[0] for value in given.get("Environment", [])}
    for path in given.get("EnvironmentFile", []):
        text = (DEPLOY / "env" / Path(path).name).read_text("utf-8")
        names |= set(re.findall(r"^(\w+)=", text, re.MULTILINE))
    return names


def test_there_is_a_unit_for_each_process() -> None:
    names = {unit.stem.removeprefix("hitlportal-") for unit in UNITS}
    workers = {"worker", "assessor", "messenger", "sweeper", "reader"}
    assert names == workers | {"web", "sequencer", "beat", "witness"}
    wanted = (DEPLOY / "systemd" / "hitlportal.target").read_text("utf-8")
    assert all(f"hitlportal-{name}.service" in wanted for name in names - {"witness"})


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """With programs of this environment in place of installed ones."""
    needs("systemd-analyze", bool(shutil.which("systemd-analyze")))
    for name in ("gunicorn", "celery", "hitlportal"):
        shutil.copy("/bin/true", tmp_path / name)
    for file in (DEPLOY / "systemd").iterdir():
        text = file.read_text("utf-8").replace("/opt/hitlportal/venv/bin", str(tmp_path))
        (tmp_path / file.name).write_text(text, "utf-8")
    for unit in UNITS:
        told = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit.name)],
            capture_output=True,
            check=False,
            text=True,
            timeout=300,
        )
        ours = [line for line in told.stderr.splitlines() if "hitlportal" in line]
        assert not ours, ours


@pytest.mark.parametrize("unit", CELERY_WORKERS, ids=lambda unit: unit.stem)
def test_workers_work_under_the_acls(unit: Path) -> None:
    (command,) = settings(unit)["ExecStart"]
    assert {"--without-mingle", "--without-gossip", "--without-heartbeat"} <= set(command.split())


def test_the_kinds_of_worker_share_no_queue_and_together_serve_every_queue() -> None:
    from hitlportal.celery import app

    taken = [
        name
        for unit in CELERY_WORKERS
        for name in re.findall(r"--queues (\S+)", unit.read_text("utf-8"))[0].split(",")
    ]
    assert sorted(taken) == sorted(queue.name for queue in app.conf.task_queues)


def test_a_worker_that_ends_itself_is_started_again() -> None:
    for unit in CELERY_WORKERS:
        assert settings(unit)["Restart"] == ["always"]
        assert "--loglevel" not in unit.read_text("utf-8")  # HITL_LOG_LEVEL counts


def test_execution_has_workers_of_its_own() -> None:
    (worker,) = [unit for unit in CELERY_WORKERS if unit.stem == "hitlportal-worker"]
    assert "--queues execute --" in settings(worker)["ExecStart"][0]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_units_start_commands_that_exist(unit: Path) -> None:
    from tests.docs.test_commands import problem_of

    (command,) = settings(unit)["ExecStart"]
    program, _, rest = command.partition(" ")
    name = Path(program).name
    assert name in {"gunicorn", "celery", "hitlportal"}
    if name == "hitlportal":
        assert problem_of(f"hitlportal {rest}".split()) == ""
    else:
        assert (BIN / name).exists()
        app = {"gunicorn": "hitlportal.wsgi", "celery": "hitlportal.celery"}[name]
        assert app in rest.split()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_each_process_gets_what_it_needs_and_no_secret_of_another(unit: Path) -> None:
    names = environment(unit)
    secrets = {name.removesuffix("_FILE") for name in names if name.endswith("_FILE")}
    secrets &= read_variables()[1]
    process = settings(unit)["User"][0].removeprefix("hitl-")
    database = {"HITL_DATABASE_URL"}
    common = {"HITL_SECRET_KEY", "HITL_BROKER_URL", "HITL_CACHE_URL"} | database
    assert (
        secrets
        == {
            "web": common | {"HITL_AUDITOR_DATABASE_URL"},
            "worker": common,
            "sequencer": database,
            "beat": {"HITL_BROKER_URL"},
            "witness": set(),
        }[process]
    )
    assert ("HITL_APPROVERS_FILE" in names) == (process == "worker")
    assert ("HITL_TARGETS_FILE" in names) == (process == "worker")
    assert ("HITL_AUDIT_KEY" in names) == (process == "sequencer")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_each_credential_is_named_to_the_process(unit: Path) -> None:
    given = settings(unit)
    loaded = {value.partition(":")[0] for value in given.get("LoadCredential", [])}
    told = {
        name.removesuffix("_FILE"): path
        for name, _, path in (value.partition("=") for value in given.get("Environment", []))
    }
    assert told == {name: f"%d/{name}" for name in loaded}


def test_environment_files_hold_variables_and_no_secret() -> None:
    known, secrets = read_variables()
    for file in (DEPLOY / "env").iterdir():
        for line in file.read_text("utf-8").splitlines():
            name = line.partition("=")[0]
            if line and not line.startswith("#") and not name.startswith("PGSSL"):
                assert name in known - secrets, f"{file.name}: {name}"


def test_the_acl_file_grants_the_same_as_the_demo() -> None:
    for process, keys in broker.KEYS.items():
        (line,) = re.findall(rf"^user hitl_{process} on >\S+ (.*)$", ACL, re.MULTILINE)
        assert set(line.split()) == {*broker.COMMANDS, *keys}
    assert "user default off" in ACL.splitlines()


def test_valkey_accepts_configuration_and_acl_file(tmp_path: Path) -> None:
    """Loads them in a real server: the worker's login cannot read a session."""
    port = free_port()
    (tmp_path / "users.acl").write_text(ACL, "utf-8")
    text = (DEPLOY / "valkey" / "valkey.conf").read_text("utf-8")
    text = text.replace("/etc/valkey/users.acl", str(tmp_path / "users.acl"))
    text = text.replace("/var/lib/valkey", str(tmp_path)).replace("port 6379", f"port {port}")
    (tmp_path / "valkey.conf").write_text(text, "utf-8")
    server = Child(
        [str(valkey_binary()), str(tmp_path / "valkey.conf")],
        log=tmp_path / "log",
        cwd=tmp_path,
        env={},
    )
    try:
        web = logged_in(port, "web")
        web.set("hitl:1:django.contrib.sessions.cache.abc", "session")
        web.lpush("execute", "id")
        worker = logged_in(port, "worker")
        assert worker.rpop("execute") == b"id"
        for kind in ("swept:took", "observed", "live", "settle", "wait", "pause:channel"):
            key = f"hitl:1:{kind}:x"
            assert worker.set(key, 1) and worker.eval("return redis.call('GET', KEYS[1])", 1, key)
        with pytest.raises(redis.exceptions.NoPermissionError):
            worker.get("hitl:1:django.contrib.sessions.cache.abc")
        with pytest.raises(redis.exceptions.NoPermissionError):
            logged_in(port, "beat").get("hitl:1:swept:x")
        with pytest.raises(redis.exceptions.NoPermissionError):
            web.config_get("dir")
    finally:
        server.stop(5.0)


def logged_in(port: int, process: str) -> redis.Redis:
    from redis.backoff import ConstantBackoff
    from redis.retry import Retry

    client = redis.Redis(
        port=port,
        username=f"hitl_{process}",
        password=f"CHANGE-{process}",
        retry=Retry(ConstantBackoff(0.05), 1200),  # a minute: a busy machine starts it slowly
    )
    client.ping()
    return client


def test_nginx_accepts_the_sample(tmp_path: Path) -> None:
    needs("nginx", bool(shutil.which("nginx")))
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=portal.example", "-keyout", str(tmp_path / "portal.key")),
            *("-out", str(tmp_path / "portal.pem")),
        ],
        check=True,
        capture_output=True,
    )
    text = (DEPLOY / "nginx" / "hitlportal.conf").read_text("utf-8")
    text = text.replace("/etc/hitlportal/tls", str(tmp_path))
    conf = tmp_path / "nginx.conf"
    conf.write_text(f"pid {tmp_path}/pid; events {{}}\nhttp {{\n{text}\n}}\n", "utf-8")
    subprocess.run(["nginx", "-t", "-c", str(conf), "-p", str(tmp_path)], check=True)


def test_nginx_passes_a_whole_report_and_does_not_wait_for_a_partial_request() -> None:
    from remediation.domain import report

    text = (DEPLOY / "nginx" / "hitlportal.conf").read_text("utf-8")
    (size,) = re.findall(r"client_max_body_size (\d+)m;", text)
    assert int(size) * 2**20 > report.MAX_BYTES
    assert "proxy_request_buffering on;" in text and "proxy_buffering on;" in text
    for name in ("client_header_timeout", "client_body_timeout"):
        assert re.search(rf"{name} \d+s;", text)


def test_the_web_unit_and_the_demo_use_the_settings_of_the_package() -> None:
    from hitlportal import gunicorn
    from hitlportal.demo import stack

    flag = "--config python:hitlportal.gunicorn"
    unit = settings(DEPLOY / "systemd" / "hitlportal-web.service")
    assert flag in unit["ExecStart"][0]
    assert gunicorn.graceful_timeout < int(unit["TimeoutStopSec"][0])
    assert '"--config", "python:hitlportal.gunicorn"' in Path(stack.__file__).read_text("utf-8")


def test_rabbitmq_gives_each_process_the_queues_and_nothing_else() -> None:
    from hitlportal.celery import app

    script = (DEPLOY / "rabbitmq" / "permissions.sh").read_text("utf-8")
    (pattern,) = re.findall(r"^queues='(.+)'$", script, re.MULTILINE)
    for queue in app.conf.task_queues:
        assert re.match(pattern, queue.name) and re.match(pattern, queue.exchange.name)
    assert not re.match(pattern, "celery") and not re.match(pattern, "executed")


@pytest.mark.parametrize("script", ["bin/hitlportal-as", "rabbitmq/permissions.sh"])
def test_shell_scripts_have_valid_syntax(script: str) -> None:
    subprocess.run(["sh", "-n", str(DEPLOY / script)], check=True)


def test_hitlportal_as_hands_over_environment_and_credentials(tmp_path: Path) -> None:
    etc, programs = tmp_path / "etc", tmp_path / "bin"
    (etc / "credentials" / "operator").mkdir(parents=True)
    programs.mkdir()
    (etc / "operator.env").write_text("# a comment\nHITL_PROCESS=operator\n")
    secret = etc / "credentials" / "operator" / "HITL_DATABASE_URL"
    secret.write_text("x")
    program = programs / "hitlportal"
    program.write_text('#!/bin/sh\necho "$HITL_PROCESS $HITL_DATABASE_URL_FILE $*"\n')
    program.chmod(0o755)
    told = subprocess.run(
        ["sh", str(DEPLOY / "bin" / "hitlportal-as"), "operator", "person", "add", "alice smith"],
        env={"HITLPORTAL_ETC": str(etc), "HITLPORTAL_BIN": str(programs), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == f"operator {secret} person add alice smith\n"
