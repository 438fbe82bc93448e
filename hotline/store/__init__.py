"""Tables, migrations and the durable write path of hub and station."""
