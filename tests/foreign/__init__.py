"""Programs that we did not write check what we hand out."""
