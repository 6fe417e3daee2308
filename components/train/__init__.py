"""The step that trains one model family."""
