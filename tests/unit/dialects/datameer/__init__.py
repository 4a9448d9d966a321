"""Datameer's parsers, renderers and samples."""
