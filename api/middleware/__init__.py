"""What happens around every handler, outermost first: request id and log, errors, limits, caller."""
