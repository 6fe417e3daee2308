"""What an exported SavedModel is made of: the serving graph, its signatures, warm-up requests and model card."""
