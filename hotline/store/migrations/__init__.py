"""Alembic migrations of hub and station."""
