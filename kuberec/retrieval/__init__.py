"""The k best of many items inside a TensorFlow graph, in stock operations: exact, or by an index of clusters."""
