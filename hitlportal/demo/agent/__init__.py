"""The reference agent: a detector outside the portal that reports through its public API.

It reads CloudTrail records or a PostgreSQL server log, finds the compromised identity in them, and
reports incident, evidence, diagnosis and plan. It imports nothing from the portal, holds no
credential except its bearer token, and decides nothing.

Read in this order: reading, records (in) → principal → rules, knowledge, patterns, links → detect
→ evidence, report, words (out) → client (sent). `pglog`, `pgrules`, `postgres`: a database role.
`analyse` combines all steps from files to reports.
"""
