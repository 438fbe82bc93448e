"""The ladder checker."""
