"""What a step can be: `command`, `http`, `python`, `sleep`, and what users bind beside them.

A handler gets a `port.StepContext` and returns a `port.StepResult`; it is stopped by cancellation
and must leave nothing running then. The definition's `with` is read by the handler itself, strictly,
so that a misspelt setting is an error of the step and not ignored.

Parameters and input come from callers. They reach a step as data (environment variables with a
fixed prefix, standard input), never as program, argument, URL or header.
"""
