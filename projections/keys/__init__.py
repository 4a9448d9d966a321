"""The keys view: access keys, for authentication and for their administrators."""
