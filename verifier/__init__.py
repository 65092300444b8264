"""A checker that needs nothing of this program: one Python file, one shell script, and how to write another."""
