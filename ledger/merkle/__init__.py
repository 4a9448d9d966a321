"""A Merkle tree over the log: hashing, proofs and the text forms others can read. Pure.

The tree is that of RFC 6962 and RFC 9162. It is kept as tiles 256 wide (C2SP tlog-tiles): tile
`(level, index)` holds the hashes of the perfect subtrees of 256**level leaves that begin at leaf
`index * 256**(level + 1)`. A full tile never changes, and a proof at any size, past ones too, is
computed from a few tiles, so neither roots nor inner nodes are stored.

Computing is split from reading: `proof` says which tiles are needed, the caller gets them from
wherever they are, and then the hashes are computed. Verifiers need no tiles.

Beside the tree stands a map of streams (`streams`), which proves that a stream's events are all there.
`frontier` hashes a tree from left to right, as whoever checks an export does.
"""
