"""Training: one compiled loop for every family."""
