"""merganser: train, encode and compare tokenizers."""
