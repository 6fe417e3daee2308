"""The step that writes the SavedModel."""
