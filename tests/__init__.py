"""Tests of bayesmixer; the folders mirror the package."""
