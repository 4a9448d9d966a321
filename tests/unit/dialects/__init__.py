"""The vendors' vocabularies, without HTTP."""
