"""Auditors' pages: authorized, recorded before reading, through a login that can only read."""
