"""The only code that touches targets. It writes no records and uses no Django.

One module per provider, `<provider>.py`, which ends with its `DRIVER`. It implements the
declaration in `remediation/domain/catalogue/<provider>.py`. `registry.py` joins them.
"""
