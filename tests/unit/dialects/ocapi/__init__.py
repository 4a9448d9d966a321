"""OCAPI without HTTP."""
