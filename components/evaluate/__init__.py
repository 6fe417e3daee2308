"""The step that judges the models."""
