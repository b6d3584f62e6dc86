"""The coverage laboratory: many simulated GWAS through real LD, each fitted, and how often the
intervals hold the truth.
"""
