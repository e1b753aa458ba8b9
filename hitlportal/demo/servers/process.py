"""Run a child process with a log file; it never outlives its supervisor.

A child gets its own session, so Ctrl-C at the terminal reaches only the supervisor, which then
ends its children in order. If the supervisor is killed, the kernel ends the child
(PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hitlportal.demo.servers.account import Account

PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None, use_errno=True)  # loaded before any fork


class Child:
    """A supervised process.

    Start children from the main thread: the kernel sends its signal when the *thread* that started
    the child ends.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        log: Path,
        cwd: Path,
        env: Mapping[str, str],
        account: Account | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.argv = [str(part) for part in argv]
        self.log = log
        self.stop_signal = stop_signal
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]
                self.argv,
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                start_new_session=True,
                pass_fds=tuple(pass_fds),
                # Only two system calls: code here must not wait for another thread.
                preexec_fn=_die_with_parent(stop_signal, os.getpid()),  # noqa: PLW1509
                **(account.popen_arguments() if account else {}),
            )
        finally:
            os.close(descriptor)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit status; None while the process runs."""
        return self._process.poll()

    def stop(self, patience: float = 30.0) -> None:
        """Ask the process to end, wait, and kill its session after the timeout."""
        if self.exit_code is None:
            self._process.send_signal(self.stop_signal)
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process.wait()

    def kill(self) -> None:
        """Kill the process and everything that it started."""
        with contextlib.suppress(ProcessLookupError):  # already gone
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


def _die_with_parent(number: int, parent: int) -> Callable[[], None]:
    def prepare() -> None:
        # Must run after the change of account, which clears this setting.
        _libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the line above
            os._exit(1)

    return prepare
