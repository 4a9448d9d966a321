"""Datameer's job API, both generations: job configurations, their executions, sequences.

A job configuration, a file and data are one thing here: a job, whose number is all three ids; a job
execution is an execution, by its number. Documents are indented as the vendor's examples are, because
its users read and grep them. Absent and null are different: a queued execution has a null start time,
a running one no stop time at all.

Decisions where the document is silent: `list-running` shows what runs, not what waits; stopping a job
stops all of its open executions; a job that was retired is unknown to everything but a second delete; an
execution that was erased is unknown.
"""
