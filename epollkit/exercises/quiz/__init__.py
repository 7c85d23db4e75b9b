"""Endless small questions about what the last poll of a program returns."""
