"""Nouns of the product. Pure: no Django, no clock, no I/O; everything arrives as an argument."""
