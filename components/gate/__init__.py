"""The step that decides on promotion."""
