"""Product-Live."""
