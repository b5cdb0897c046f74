"""Figures, each a ratio or a count measured within one run, printed as JSON lines."""
