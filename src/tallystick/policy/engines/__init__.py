"""Engines read data files. They return counts and columns, and judge nothing."""
