"""One child process: started with a log file, ended for certain.

A child gets a session of its own, so that Ctrl-C at the terminal reaches only the supervisor,
which then ends its children in order; and the kernel ends it when the supervisor itself is
killed (PR_SET_PDEATHSIG), so that nothing is left behind in either case.
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

    Start children from the main thread: the kernel's signal at the parent's death comes when
    the *thread* that started the child ends.
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
                # Two system calls and nothing that could wait for another thread.
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
        """None while it runs."""
        return self._process.poll()

    def stop(self, patience: float = 30.0) -> None:
        """Ask it to end, wait, and kill its whole session if it does not listen."""
        if self.exit_code is None:
            self._process.send_signal(self.stop_signal)
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process.wait()

    def kill(self) -> None:
        """End the process and everything that it started, without asking."""
        with contextlib.suppress(ProcessLookupError):  # already gone
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


def _die_with_parent(number: int, parent: int) -> Callable[[], None]:
    def prepare() -> None:
        # Runs in the child after the change of account, which would clear this setting.
        _libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the line above
            os._exit(1)

    return prepare
