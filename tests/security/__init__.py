"""An adversary's tests: what no caller may do, shown on a real server; see each module."""
