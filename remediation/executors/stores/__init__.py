"""Stores: where consumers read a credential. A step delivers there, by a place of the plan."""
