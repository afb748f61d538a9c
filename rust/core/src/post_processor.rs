//! Post-processors: add special ids around a finished sequence. They never touch the ids inside.

/// A post-processor, one variant a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostProcessor {
    /// Changes offsets only, never ids; kept so that a file is written back as it was read.
    ByteLevel(ByteLevelOptions),
    /// RoBERTa's `<s> A </s>`.
    Roberta {
        /// Text and id of the token after the sequence.
        sep: (String, u32),
        /// Text and id of the token before the sequence.
        cls: (String, u32),
        /// Whether offsets leave out the space (offsets only).
        trim_offsets: bool,
        /// As the pre-tokenizer's (offsets only).
        add_prefix_space: bool,
    },
    /// BERT's `[CLS] A [SEP] B [SEP]`.
    Bert {
        /// Text and id of the token after each sequence.
        sep: (String, u32),
        /// Text and id of the token before the first.
        cls: (String, u32),
    },
    /// A sequence between special tokens, as a template says.
    Template(Template),
    /// Each in turn.
    Sequence(Vec<PostProcessor>),
}

/// The options of everything that Hugging Face calls `ByteLevel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteLevelOptions {
    /// Whether a part that does not start with a space gets one.
    pub add_prefix_space: bool,
    /// Whether offsets leave out the space.
    pub trim_offsets: bool,
    /// Whether the part is split by the GPT-2 pattern.
    pub use_regex: bool,
}

/// The data of [`PostProcessor::Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// For one sequence.
    pub single: Vec<TemplatePiece>,
    /// For a pair of sequences.
    pub pair: Vec<TemplatePiece>,
    /// Name, ids and token texts of each special token named by a piece, ordered by name.
    pub special_tokens: Vec<TemplateSpecial>,
}

/// A place in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplatePiece {
    /// The sequence `A` or `B`.
    Sequence {
        /// Whether it is `B`.
        is_pair: bool,
        /// Its type id.
        type_id: u32,
    },
    /// A special token.
    Special {
        /// Its name in [`Template::special_tokens`].
        name: String,
        /// Its type id.
        type_id: u32,
    },
}

/// A special token of a template: one name may stand for several tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateSpecial {
    /// The name pieces use.
    pub name: String,
    /// Ids, in order.
    pub ids: Vec<u32>,
    /// Texts, in order.
    pub tokens: Vec<String>,
}

impl PostProcessor {
    /// The ids that stand before and after a single sequence.
    pub fn around_single(&self) -> (Vec<u32>, Vec<u32>) {
        match self {
            Self::ByteLevel(_) => (Vec::new(), Vec::new()),
            Self::Bert { sep, cls } | Self::Roberta { sep, cls, .. } => (vec![cls.1], vec![sep.1]),
            Self::Template(template) => template.around_single(),
            Self::Sequence(processors) => {
                processors.iter().fold((Vec::new(), Vec::new()), |(before, after), processor| {
                    let (mut outer_before, outer_after) = processor.around_single();
                    outer_before.extend(before);
                    let mut all_after = after;
                    all_after.extend(outer_after);
                    (outer_before, all_after)
                })
            }
        }
    }
}

impl Template {
    fn around_single(&self) -> (Vec<u32>, Vec<u32>) {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut is_after = false;
        for piece in &self.single {
            match piece {
                TemplatePiece::Sequence { .. } => is_after = true,
                TemplatePiece::Special { name, .. } => {
                    let ids = self.special_tokens.iter().find(|special| special.name == *name);
                    let side = if is_after { &mut after } else { &mut before };
                    side.extend(ids.into_iter().flat_map(|special| &special.ids));
                }
            }
        }
        (before, after)
    }
}
