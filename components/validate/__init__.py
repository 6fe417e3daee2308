"""The step that checks the rows."""
