"""A transparency log that imports no other app of this project."""
