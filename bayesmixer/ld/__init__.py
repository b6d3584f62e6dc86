"""Linkage disequilibrium: the spectrum, LD scores, pruning, the reference builder, and alignment of
GWAS to it.
"""
