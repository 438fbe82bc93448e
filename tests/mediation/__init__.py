"""Tests of ``mediation``."""
