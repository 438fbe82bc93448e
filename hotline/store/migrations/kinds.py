"""Column types that are the same thing in either database."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer

INT = BigInteger().with_variant(Integer(), "sqlite")
"""A whole number of up to 63 bits. SQLite's INTEGER has as many, and only by that name counts up as a primary key."""
