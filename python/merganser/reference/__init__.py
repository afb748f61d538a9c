"""Readable executable specifications: what each model means, in plain Python, independent of the fast code.

Each module is short enough to read in one sitting and imports nothing of merganser but another of them; tests hold the
fast code equal to it.
"""
