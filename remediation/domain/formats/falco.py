"""Falco alerts: a rule that matched what a process, a container or a caller of an API did."""

from __future__ import annotations

from collections.abc import Set

from remediation.domain.formats.body import Body, names_of, one_of, value_at, word
from remediation.domain.formats.form import Format


class Falco(Format):
    """https://falco.org/docs/concepts/outputs/formatting/ (``json_output: true``)"""

    def is_record(self, names: Set[str], body: Body) -> bool:
        fields = value_at(body, "output_fields")
        return {"rule", "priority", "output_fields"} <= names and isinstance(fields, dict)

    def name(self, body: Body) -> str:
        rule = value_at(body, "rule")
        return rule if isinstance(rule, str) else ""

    def service(self, body: Body) -> str:
        source = value_at(body, "source")
        return source if isinstance(source, str) else ""

    def time(self, body: Body) -> str:
        return one_of(body, "time") or word(body, "output_fields", "evt.time")

    def user(self, body: Body) -> str:
        return _field(body, "ka.user.name", "ct.user", "user.name")

    def actor(self, body: Body) -> str:
        """Return the workload: the pod, else the container; a caller where an API is watched."""
        space, pod = _field(body, "k8s.ns.name"), _field(body, "k8s.pod.name")
        if pod:
            return f"{space}/{pod}" if space else pod
        held = _field(body, "container.name", "container.id")
        return _field(body, "ka.user.name", "ct.user") or ("" if held == "host" else held)

    def session(self, body: Body) -> str:
        held = _field(body, "container.id")
        return "" if held == "host" else held

    def address(self, body: Body) -> str:
        return _field(body, "ct.srcip", "ka.sourceips")

    def objects(self, body: Body) -> tuple[str, ...]:
        read = ("fd.name", "ka.target.name", "ka.resp.name")
        return names_of(*(_field(body, name) for name in read))

    def acts(self, body: Body) -> bool:
        return True

    def error(self, body: Body) -> str | None:
        """Return the error of the system call or of the watched API; most rules write neither."""
        code = _field(body, "ka.response.code")
        if code:
            return f"status {code}" if code[:1] in "45" else ""
        refused = _field(body, "ct.error")
        if refused:
            return refused
        result = _field(body, "evt.res")
        if not result:
            return None
        return "" if result == "SUCCESS" else result


def _field(body: Body, *names: str) -> str:
    """Return the first field that has a value; Falco writes ``<NA>`` for none."""
    found = (word(body, "output_fields", name) for name in names)
    return next((one for one in found if one not in ("", "<NA>", "<nil>")), "")
