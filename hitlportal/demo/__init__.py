"""The demo: own small supervisor of servers, used by `make demo` and by the tests alike.

Nothing in here is part of production.
"""
