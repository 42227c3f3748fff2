"""The transparency log: Merkle trees as in RFC 6962 and RFC 9162, tiles and checkpoints as C2SP writes them."""
