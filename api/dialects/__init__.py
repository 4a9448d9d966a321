"""The vendors' vocabularies: `parse` in, `render` out, `wire` structs, `errors`.

Pure: bytes and facts in, commands and bytes out; no HTTP library, no clock, no database. Dialects do
not know each other. `api.mounts` puts them behind HTTP.
"""
