"""Auditors' pages: who may, that reading is on record first, through a login that can only read."""
