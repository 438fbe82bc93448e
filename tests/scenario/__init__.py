"""The exercise with real processes."""
