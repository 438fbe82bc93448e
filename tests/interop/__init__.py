"""Our implementations against those that others wrote."""
