"""From a PyMC model to a DataTree: MAP, Laplace, NUTS, SMC, and what they share."""
