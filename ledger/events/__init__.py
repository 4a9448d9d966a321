"""Facts, nothing else: one struct for each thing that can have happened.

Stored for ever; add, never change. A stored type name (`execution.created`) is independent of the
class name; a new optional field needs no new schema version because absent fields take their
defaults; a changed meaning needs a new type. `codec` maps names to classes both ways.
"""
