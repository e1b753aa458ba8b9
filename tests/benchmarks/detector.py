"""`python -m tests.benchmarks.detector [FOLDER …]`: artefacts made to be slow are not slow (A63),
and in real records only secrets are masked.

Searches each shape at one size and at four times that size; time that grows with the
square would grow sixteenfold. Prints the ratio and the time for a megabyte of each, then for each
folder (by default the real cases of the repository) what was found in it, for inspection: every
finding that is no secret makes a citation fail. Ends with 1 when a ratio is above the aim.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

from remediation.domain.secrets import detector

CASES = Path(__file__).resolve().parents[2] / "hitlportal" / "demo" / "cases"
SIZE, TIMES = 200_000, 4
AIM = 8.0
# The beginning of a hit, repeated, without an end.
SHAPES = (
    b"eyJ", b"sk-ant-", b"://a:b", b"-----BEGIN PRIVATE KEY-----", b'password":"', b"host=",
    b"host= pwd=abcd ", b" pwd=abcd", b"bearer ", b"bearer a", b"authorization:basic ",
    b"glagent-", b"xoxb-1-",
    b"AccountKey=", b"secretkey", b'secretkey"', b"sessiontoken:", b"0", b"a", b"A.b", b"hvs.",
    b"ghp_", b"-us1", b"AIza", b"npm_", b"SG.", b"https://hooks.slack.com/services/T", b"\\\"'",
    b"password=", b"password='", b'password=\\"', b"password=,a", b"password:" + b" ,a;b&c=" * 9,
    b"--password ", b"token", b"secret=" + b"a1" * 130, b"\\/", b"\\u0041", b"%3D", b"A\\nA",
    b"curl ", b"curl -u a:", b"a\0", b"\0a", b"p\0a\0s\0s\0w\0d\0=\0", b"A" * 24 + b" ",
    b"cGFzc3dvcmQ9", b"cGFzc3dvcmQ9" * 3 + b"\\n", b"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB ",
    b"-----BEGIN PRIVATE KEY-----\nVersion: a\n", b"-----BEGIN PRIVATE KEY-----\n" + b"A" * 64,
    b'-----BEGIN PRIVATE KEY-----", "' + b"A" * 64 + b'", "', b"\\n", b"JSESSIONID=",
)  # fmt: skip


def seconds(content: bytes) -> float:
    """Return the processor time of one search, the median of three."""
    taken = []
    for _ in range(3):
        begun = time.process_time()
        detector.find(content)
        taken.append(time.process_time() - begun)
    return statistics.median(taken)


def _real(folder: Path) -> None:
    """Print what is found in real records: the rule and the field, never the value."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    size, begun, count = 0, time.process_time(), 0
    for path in files:
        content = path.read_bytes()
        size += len(content)
        for one in detector.find(content).secrets:
            count += 1
            before = content[max(0, one.offset - 40) : one.offset]
            sys.stdout.write(f"  {path.relative_to(folder)}: {one.rule} behind {before!r}\n")
    taken = time.process_time() - begun
    sys.stdout.write(
        f"{folder}: {count} findings in {len(files)} files, {size / 1e6:.1f} MB, {taken:.1f} s\n"
    )


def main() -> int:
    worst = 0.0
    for shape in SHAPES:
        small = shape * (SIZE // len(shape))
        large = seconds(small * TIMES)
        ratio = large / max(seconds(small), 1e-4)
        worst = max(worst, ratio)
        said = f"{large * 1_000_000 / (SIZE * TIMES):6.2f} s a megabyte"
        sys.stdout.write(f"{shape.decode()[:32]!r:40} {ratio:5.1f} {said}\n")
    for folder in sys.argv[1:] or [str(CASES)]:
        _real(Path(folder))
    reached = worst <= AIM
    sys.stdout.write(f"worst {worst:.1f}, aim {AIM}: {'reached' if reached else 'missed'}\n")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
