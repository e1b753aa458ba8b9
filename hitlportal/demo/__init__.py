"""The demo: servers, a reference agent, people and a play; the tests use the servers, too.

Production runs nothing of this package.
"""
