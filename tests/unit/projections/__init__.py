"""The read models' pure parts, and the lives that their tests share."""
