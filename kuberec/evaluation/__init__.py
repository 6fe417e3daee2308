"""What judging a recommender takes: metrics, intervals, slices, the served champion, the report."""
