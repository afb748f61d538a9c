"""Faces of other libraries: what was written for them works with a merganser tokenizer. None of them is imported here."""
