"""A transparency log that knows no other app of this project."""
