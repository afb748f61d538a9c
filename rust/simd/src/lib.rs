//! Byte classification.
