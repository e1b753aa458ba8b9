"""Say whether a process of this machine works (`hitlportal health`): one line and a status.

Needs no settings but HITL_HEARTBEAT_DIR, no database and no broker, so that a probe is cheap and
answers while they are away.
"""

from __future__ import annotations

import argparse
import http.client
import os
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

from hitlportal import env
from hitlportal.heartbeat import BUSY, CUT_OFF, NAME, file_of

# Six signs of life. And the longest task (task_time_limit of 300 s) with a margin, for a worker
# whose only thread is busy with it.
SILENT_S, BUSY_S = 30.0, 330.0
WEB = "http://127.0.0.1:8000/readyz"


def main(arguments: Sequence[str]) -> int:
    """Print one line for each process; return 0 if all work, else 1."""
    given = _parser().parse_args(list(arguments))
    healthy = True
    for name in given.processes:
        problem = web(given.url) if name == "web" else process(given.dir, name)
        print(f"{name}: {problem or 'works'}")
        healthy = healthy and not problem
    return 0 if healthy else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hitlportal health",
        description="Says for each process of this machine whether it works: web by its /readyz,"
        " the others by the signs of life that they leave in HITL_HEARTBEAT_DIR. Status 0: all"
        " work; 1: one does not.",
    )
    parser.add_argument(
        "processes", nargs="+", metavar="PROCESS",
        help="web, beat, sequencer, or a worker's name, such as worker, sweeper, reader",
    )  # fmt: skip
    parser.add_argument(
        "--dir", default=env.text("HITL_HEARTBEAT_DIR"), help="instead of HITL_HEARTBEAT_DIR"
    )
    parser.add_argument("--url", default=WEB, help=f"where web answers ({WEB})")
    return parser


def web(url: str) -> str:
    """Return what is wrong with the web process, or nothing."""
    if urlsplit(url).scheme not in ("http", "https"):
        return f"{url} is no address; say --url http://HOST:PORT/readyz"
    try:
        # Without a proxy of the environment: it would answer for somebody else.
        build_opener(ProxyHandler({})).open(url, timeout=10).close()
    except HTTPError as error:
        error.close()
        if error.code == 503:
            return "runs, but database or cache is away; its log names which"
        return f"{url} answers {error.code}; is --url right?"
    except (URLError, http.client.HTTPException, OSError, ValueError) as error:
        return f"does not answer at {url}: {getattr(error, 'reason', error)}"
    return ""


def process(directory: str, name: str) -> str:
    """Return what is wrong with another process, or nothing."""
    if not directory:
        return "not known: set HITL_HEARTBEAT_DIR, or say --dir"
    if not NAME.fullmatch(name):
        return "not known: this is no name of a process"
    path = file_of(Path(directory), name)
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            state, changed = file.read(200).strip(), os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return f"never ran here: there is no {path}"
    except OSError as error:
        return f"not known: {path}: {error.strerror}"
    # A sign from the future says as little as an old one.
    silent = abs(time.time() - changed)
    if state == CUT_OFF:
        return f"has {CUT_OFF} since {silent:.0f} s"
    if silent > (BUSY_S if state.startswith(BUSY) else SILENT_S):
        return f"no sign of life since {silent:.0f} s; the last one: {state}"
    return ""
