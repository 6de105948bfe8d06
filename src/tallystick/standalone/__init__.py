"""Verifiers that stand alone: each is one file to copy anywhere, written from the documents, sharing no code with us.

``verify.py`` needs Python 3.9 and openssl, or Python's cryptography. Nothing here is imported by the rest.
"""
