"""The step that divides the interactions."""
