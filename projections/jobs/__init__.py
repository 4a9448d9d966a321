"""The jobs view: each job as its events say it is.

How a job's executions ended, and which was the last, is read from the executions view.
"""
