"""Faces of other libraries: what was written for them works with a merganser tokenizer. None is imported here."""
