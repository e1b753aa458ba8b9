"""The reference agent: a detector outside the portal that reports through its public API.

It reads CloudTrail records or a PostgreSQL server log, finds the compromised identity from the
events themselves, and hands in incident, evidence, diagnosis and plan. It imports nothing of the
portal, holds no credential but its bearer token, and decides nothing.

Read in this order: reading, records (in) → principal → rules, knowledge, patterns, links → detect
→ evidence, report, words (out) → client (sent). `pglog`, `pgrules`, `postgres`: a database role.
`analyse` is the whole way from files to reports.
"""
