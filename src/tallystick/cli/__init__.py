"""The command line: one file for each noun; a body parses, calls one verb, prints."""
