//! merganser._core
