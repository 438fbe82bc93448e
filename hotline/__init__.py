"""The parts that move: hub, station, storage, command line."""
