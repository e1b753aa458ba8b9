"""An IAM whose answers do not end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from remediation.domain.errors import TargetUnobservable
from remediation.executors import aws_iam
from remediation.executors.run import run_observe
from remediation.executors.targets import Targets
from tests.executors.contract import make_plan

PAGE = """<ListAccessKeysResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">
<ListAccessKeysResult><UserName>u</UserName><AccessKeyMetadata/><IsTruncated>true</IsTruncated>
<Marker>{}</Marker></ListAccessKeysResult></ListAccessKeysResponse>"""


@pytest.fixture
def endless() -> Iterator[tuple[str, threading.Event]]:
    """IAM whose list has always one page more."""
    stop, count = threading.Event(), iter(range(10**9))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = PAGE.format(next(count)).encode()
            self.send_response(500 if stop.is_set() else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", stop
        server.shutdown()


def test_b22_a_list_without_an_end_does_not_hold_the_worker(
    endless: tuple[str, threading.Event], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_iam, "LOOK_SECONDS", 0.5)
    url, stop = endless
    (tmp_path / "targets.toml").write_text(
        f'[aws."123456789012"]\nregion = "us-east-1"\nendpoint_url = "{url}"\nsimulated = true\n'
        'observe_access_key_id = "AKIAO"\nobserve_secret_access_key = "x"\n'
        'operate_access_key_id = "AKIAP"\noperate_secret_access_key_file = "none"\n'
    )
    targets = Targets.load(tmp_path / "targets.toml", portal_system_identifier=None)
    plan = make_plan(
        "aws.iam.deactivate_access_key",
        {
            "kind": "aws.iam.access_key", "account": "123456789012", "user": "u",
            "access_key_id": "AKIAEXAMPLE000000000",
        },
        {},
    )  # fmt: skip
    took: list[float] = []

    def look() -> None:
        began = time.monotonic()
        with pytest.raises(TargetUnobservable):
            run_observe(plan.steps[0], targets)
        took.append(time.monotonic() - began)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join(8)
    held = thread.is_alive()
    stop.set()
    thread.join()
    assert not held, f"one look lasted {took} s, its limit is 0.5 s"
