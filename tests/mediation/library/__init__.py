"""The shipped ladders against what the sources say, and played from their own tables."""
