"""The step that compares the export with the offline model."""
