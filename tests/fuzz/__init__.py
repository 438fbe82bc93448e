"""Fuzzing: bytes from anywhere into everything that reads bytes from elsewhere."""
