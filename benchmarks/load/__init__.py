"""What drives the hub in its benchmark: a world of many stations, a lean client, and the floors to compare with."""
