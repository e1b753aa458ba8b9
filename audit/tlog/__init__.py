"""Verification of the log without Django or database, for auditors' machines."""
