"""What the parties promised: ladders and everything they govern. Pure, deterministic."""
