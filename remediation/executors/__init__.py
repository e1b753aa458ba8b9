"""The only code that touches targets. No records, no Django: plan in, outcome out.

One module a provider, `<provider>.py`, which ends with its `DRIVER`; the declaration that it
carries out is `remediation/domain/catalogue/<provider>.py`. `registry.py` joins them.
"""
