"""The log's maths: no Django, no database; it runs alone on an auditor's machine."""
