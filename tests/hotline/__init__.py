"""Tests of ``hotline``."""
