"""The properties, one a file."""
