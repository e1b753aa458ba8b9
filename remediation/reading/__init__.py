"""Read an agent's report: parse it, search its artefacts for secrets, mask its texts.

Small reports are read in the web process (`here`). Large ones are read in a child process of the
lowest priority, without credentials and with limits (`child`, `pool`; docs/attacks.md A83), for
the search is Python that would keep every page waiting for the interpreter's lock.
"""
