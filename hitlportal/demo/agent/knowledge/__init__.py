"""The rule set: suspicious single calls and bursts of calls.

General knowledge of the AWS APIs: MITRE ATT&CK for cloud, TrailDiscover's catalogue of calls seen
in attacks (CC BY 4.0, adanalvarez/TrailDiscover), the AWS incident response playbook for
credential compromise. Rules over sequences of calls are in `patterns`.
"""

from __future__ import annotations

from hitlportal.demo.agent.knowledge import evasion, execution, exfiltration, many, persistence

CALL_RULES = (*evasion.RULES, *persistence.RULES, *exfiltration.RULES, *execution.RULES)
BURST_RULES = many.BURST_RULES
