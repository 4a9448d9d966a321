"""The tree view: a Merkle tree over the entries of all events, as tiles.

The leaf of the event at position p is leaf number p - 1, so the tree's size is the position it
reflects. Rows depend on the log alone: nothing is signed here and no past head is kept, since the
root at any past size is computed from tiles. Whoever signs a head must first see that the head it
signed last is consistent with it, because a rebuild makes a tree of whatever the log says by then.

Limit: the tree has no holes. Where an event was set aside, or is missing, the projection stalls and
says so, and goes on when the event is back.
"""
