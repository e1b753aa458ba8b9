"""The rules and values of the product. Pure: no Django, clock or I/O; all input is arguments."""
