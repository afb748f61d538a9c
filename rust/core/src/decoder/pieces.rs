//! [`Pieces`]: tokens between two stages of a decoder.

/// Tokens one after the other. The last one may be open: it goes on in the next pieces.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    text: Vec<u8>,
    /// Where each token that is complete ends.
    ends: Vec<usize>,
}

impl Pieces {
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// All tokens without what is between them.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Appends to the open token.
    pub(crate) fn push(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }

    /// Ends the open token, which may be empty.
    pub(crate) fn end(&mut self) {
        self.ends.push(self.text.len());
    }

    /// Appends to the open token and ends it.
    pub(crate) fn token(&mut self, text: &[u8]) {
        self.push(text);
        self.end();
    }

    /// Each token, or what there is of it, and whether it ends.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let starts = std::iter::once(&0).chain(&self.ends);
        let whole = starts.zip(&self.ends).map(|(&start, &end)| (start..end, true));
        let last = self.ends.last().copied().unwrap_or(0);
        let open = (last < self.text.len()).then_some((last..self.text.len(), false));
        whole.chain(open).map(|(range, ends)| (self.text.get(range).unwrap_or_default(), ends))
    }
}
