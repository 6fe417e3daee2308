"""The step that publishes a version."""
