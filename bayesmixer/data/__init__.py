"""The embedded data set (see data/README.md for how it was made)."""
