"""Model families, one folder each: README.md, config.py, model.py, and `FAMILY` in `__init__.py`."""
