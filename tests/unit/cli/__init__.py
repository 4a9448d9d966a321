"""The command line's pure parts."""
