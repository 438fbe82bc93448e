"""Tests of the transparency-log core."""
