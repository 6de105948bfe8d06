"""The demonstration: a credit-like model's way through the ledger, on real data, by the commands a user would type.

``python -m tallystick.demo [FOLDER]`` makes a new folder, tells the story there, and says which files to open.
"""
