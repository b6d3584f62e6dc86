"""Whether a fit is compatible with its data."""
