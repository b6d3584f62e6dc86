"""What `fit` takes, in one place for the function and for the command line, which must not import PyMC to know it."""

METHODS = ("map", "laplace", "nuts", "binned", "smc")
DRAWS = {"laplace": 1500, "nuts": 1000, "binned": 1000, "smc": 500}
"""Draws where none are asked for: in all (laplace), or a chain."""
LEAST = {"draws": 50, "tune": 0, "chains": 1, "cores": 1, "seed": 0, "bins": 10}
"""Smallest value of each whole number."""
