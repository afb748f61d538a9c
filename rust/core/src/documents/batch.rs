//! [`DocumentBatch`]: some documents in one string.

/// What a document weighs in a batch beyond its text, so that empty documents cannot make a batch of unbounded length.
const DOCUMENT_OVERHEAD_BYTES: usize = 64;

/// Some documents: one string and where each document ends in it.
///
/// ```
/// use merganser_core::documents::DocumentBatch;
/// let mut batch = DocumentBatch::default();
/// batch.push("one");
/// batch.push("");
/// assert_eq!(batch.iter().collect::<Vec<_>>(), ["one", ""]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentBatch {
    text: String,
    ends: Vec<usize>,
}

impl DocumentBatch {
    /// Adds one document.
    pub fn push(&mut self, document: &str) {
        self.text.push_str(document);
        self.ends.push(self.text.len());
    }

    /// Adds one document without copying it when the batch is empty.
    pub(super) fn push_owned(&mut self, document: String) {
        if self.text.is_empty() {
            self.text = document;
            self.ends.push(self.text.len());
        } else {
            self.push(&document);
        }
    }

    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no documents.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all documents together.
    pub fn n_bytes(&self) -> usize {
        self.text.len()
    }

    /// One document.
    pub fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { *self.ends.get(index - 1)? };
        self.text.get(start..end)
    }

    /// The documents in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// What [`super::DocumentReader::next_batch`] bounds.
    pub(super) fn weight(&self) -> usize {
        self.text.len().saturating_add(self.ends.len().saturating_mul(DOCUMENT_OVERHEAD_BYTES))
    }
}
