"""Figures (each takes and returns axes) and the self-contained HTML report."""
