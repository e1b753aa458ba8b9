"""``python -m hitlportal.demo.play.report_job``: a program that uses the target's data.

It keeps one session open as svc_reports and sums up settlements in a loop. LEDGER_DSN_FILE names
the file with its address. Exit status 3: its session was ended or its login refused.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psycopg

PAUSE_SECONDS = 1.0
QUERY = "SELECT merchant, sum(cents) FROM settlements GROUP BY merchant ORDER BY merchant"
LOST = 3


def main() -> int:
    """Run until the session is lost; return LOST."""
    dsn = Path(os.environ["LEDGER_DSN_FILE"]).read_text(encoding="utf-8")
    try:
        with psycopg.connect(
            dsn, autocommit=True, application_name="settlement-reports"
        ) as connection:
            print("session open", flush=True)
            while True:
                rows = connection.execute(QUERY).fetchall()
                if not rows:
                    raise RuntimeError("no settlements to report on")
                time.sleep(PAUSE_SECONDS)
    except psycopg.OperationalError as error:
        print(f"session lost: {error}", flush=True)
        return LOST


if __name__ == "__main__":
    sys.exit(main())
