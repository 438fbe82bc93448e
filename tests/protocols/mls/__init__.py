"""Tests of protocols.mls."""
