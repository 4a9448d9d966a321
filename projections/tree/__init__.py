"""The tree view: a Merkle tree over the entries of all events, as tiles, and the map of streams.

The leaf of the event at position p is leaf number p - 1, so the tree's size is the position it
reflects. The map of streams (`ledger.merkle.streams`) is of the same position in the same row, so
that one signature binds both. Rows depend on the log alone: nothing is signed here and no past head is kept, since the
root at any past size is computed from tiles; of the map there is only the newest. Whoever signs a head must first see that the head it
signed last is consistent with it, because a rebuild makes a tree of whatever the log says by then.

Limit: the tree has no holes. Where an event was set aside, is missing, or does not continue its
stream, the projection stalls and says so, and goes on when that is mended.
"""
