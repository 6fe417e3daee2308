"""The step that encodes ids and features."""
