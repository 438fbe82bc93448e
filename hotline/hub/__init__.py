"""The hub: orders, stores and forwards sealed entries, enforces the ladder, keeps the log. Holds no content key."""
