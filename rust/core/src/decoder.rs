//! Decoders: how tokens become text again.

use crate::post_processor::ByteLevelOptions;

/// A decoder, one variant a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoder {
    /// Each token stands for its bytes; their concatenation is the text. The options change nothing here and are kept
    /// so that a file is written back as it was read.
    ByteLevel(ByteLevelOptions),
}
