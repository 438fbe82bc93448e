"""Runners over test vectors that others made."""
