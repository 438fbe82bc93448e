"""What people see: the desk of a station, the console and public pages of the hub."""
