"""The web page in a real Chromium, against real servers and workers; run by scripts/test-browser."""
