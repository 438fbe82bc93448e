"""The hub, by real frames over a real socket."""
