"""Kuberec: from raw interaction events to a live, honestly judged recommender."""

__version__ = "0.1.0"
