"""Simulated traits, through real or simulated LD."""
