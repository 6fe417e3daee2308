"""The step that reads the sources."""
