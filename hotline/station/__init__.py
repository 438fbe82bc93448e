"""A station: one machine of an office. Holds the keys, keeps the threads, serves the desk."""
