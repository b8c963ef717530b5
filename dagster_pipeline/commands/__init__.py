"""One module per command; each imports what it needs and no more."""
