"""A TLS server that loads its certificate from a store of files, as a process of its own.

`python tls_server.py DIRECTORY[=MODE] …` listens once for each argument and prints the ports. It
sends back each byte, and keeps a connection with the certificate that it began with.
Modes: reload (looks for a new version at each connection), stuck (never loads another), asked
(loads another once a file `reload` lies in the directory), tickets (loads it, and goes on to resume
sessions of the old one), tickets13 (the same, by TLS 1.3 alone).
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import sys
import threading
from pathlib import Path


def context(directory: Path, mode: str, old: ssl.SSLContext | None = None) -> ssl.SSLContext:
    made = old if old and mode.startswith("tickets") else ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if mode == "tickets13":
        made.minimum_version = ssl.TLSVersion.TLSv1_3
    current = directory / "current"
    made.load_cert_chain(current / "certificate", current / "private_key")
    return made


def serve(listener: socket.socket, directory: Path, mode: str) -> None:
    version, loaded = os.readlink(directory / "current"), context(directory, mode)
    while True:
        plain, _ = listener.accept()
        found = os.readlink(directory / "current")
        loads = mode != "stuck" and (mode != "asked" or (directory / "reload").exists())
        if loads and found != version:
            version, loaded = found, context(directory, mode, loaded)
        threading.Thread(target=answer, args=(plain, loaded), daemon=True).start()


def answer(plain: socket.socket, loaded: ssl.SSLContext) -> None:
    with contextlib.suppress(OSError), plain:
        plain.settimeout(60)
        with loaded.wrap_socket(plain, server_side=True) as secured:
            while asked := secured.recv(1):
                secured.sendall(asked)


def main() -> None:
    ports = []
    for argument in sys.argv[1:]:
        directory, _, mode = argument.partition("=")
        listener = socket.create_server(("127.0.0.1", 0))
        ports.append(listener.getsockname()[1])
        given = (listener, Path(directory), mode or "reload")
        threading.Thread(target=serve, args=given, daemon=True).start()
    print(*ports, flush=True)
    sys.stdin.read()  # until the test closes it


if __name__ == "__main__":
    main()
