"""Where raw data comes from: files of any place and form, and the built-in datasets."""
