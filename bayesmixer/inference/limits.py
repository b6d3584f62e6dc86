"""What `fit` takes, in one place for the function and for the command line, which must not import
PyMC to know it.
"""

from typing import Literal, get_args

Method = Literal["map", "laplace", "nuts", "binned", "smc"]
METHODS: tuple[str, ...] = get_args(Method)
DRAWS = {"laplace": 1500, "nuts": 1000, "binned": 1000, "smc": 500}
"""Draws where none are asked for: at most and in all (laplace), or a chain."""
ENOUGH = 800
"""Effective draws at which laplace stops where no number is asked for."""
LEAST = {"draws": 50, "tune": 0, "chains": 1, "cores": 1, "seed": 0, "bins": 10}
"""Smallest value of each whole number."""
Nuts = Literal["nutpie", "pymc", "numpyro", "blackjax"]
NUTS_SAMPLERS: tuple[str, ...] = get_args(Nuts)
"""Whose NUTS may be asked for by name."""
INITS = (
    "auto",
    "adapt_diag",
    "jitter+adapt_diag",
    "jitter+adapt_diag_grad",
    "advi",
    "advi+adapt_diag",
    "advi_map",
    "map",
    "adapt_full",
    "jitter+adapt_full",
)
"""How PyMC's NUTS may begin."""
