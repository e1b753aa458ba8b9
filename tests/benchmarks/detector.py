"""`python -m tests.benchmarks.detector`: artefacts made to be slow are not (attacks.md A63).

Each shape is looked through at one size and at four times that size; time that grows with the
square would grow sixteenfold. Prints the ratio of each, and ends with 1 when one is above the aim.
"""

from __future__ import annotations

import statistics
import sys
import time

from remediation.domain import detector

SIZE, TIMES = 200_000, 4
AIM = 8.0
# A beginning that a pattern takes for a hit, over and over, without an end.
SHAPES = (
    b"eyJ", b"sk-ant-", b"://a:b", b"-----BEGIN PRIVATE KEY-----", b'password":"', b"host=",
    b"host= pwd=abcd ", b" pwd=abcd", b"bearer ", b"bearer a", b"authorization:basic ",
    b"glagent-", b"xoxb-1-",
    b"AccountKey=", b"secretkey", b'secretkey"', b"sessiontoken:", b"0", b"a", b"A.b", b"hvs.",
    b"ghp_", b"-us1", b"AIza", b"npm_", b"SG.", b"https://hooks.slack.com/services/T", b"\\\"'",
)  # fmt: skip


def seconds(content: bytes) -> float:
    """The processor time of one look, the median of three."""
    taken = []
    for _ in range(3):
        begun = time.process_time()
        detector.find(content)
        taken.append(time.process_time() - begun)
    return statistics.median(taken)


def main() -> int:
    worst = 0.0
    for shape in SHAPES:
        small = shape * (SIZE // len(shape))
        ratio = seconds(small * TIMES) / max(seconds(small), 1e-4)
        worst = max(worst, ratio)
        sys.stdout.write(f"{shape.decode():32} {ratio:5.1f}\n")
    reached = worst <= AIM
    sys.stdout.write(f"worst {worst:.1f}, aim {AIM}: {'reached' if reached else 'missed'}\n")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
