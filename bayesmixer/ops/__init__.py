"""The LD-convolved likelihood: quadrature, kernels (numba, JAX, NumPy oracle side by side) and the
PyTensor Op. Plain arrays only.
"""
