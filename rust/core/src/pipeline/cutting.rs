//! [`Cutting`]: the places where a text may be cut whatever stands around them, so that it need not be in memory whole.
//!
//! Which holds for a pipeline, [`super::Pipeline::cutting`] says.

/// See the module's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cutting {
    /// Between a letter and a space before another, ASCII all.
    Words,
    /// Between a newline and a letter, ASCII both.
    Lines,
}

impl Cutting {
    /// Whether `text` may be cut at `place`.
    fn allows(self, text: &[u8], place: usize) -> bool {
        let at = |place: Option<usize>| place.and_then(|place| text.get(place)).copied();
        let is_letter = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphabetic());
        let before = at(place.checked_sub(1));
        match self {
            Self::Words => is_letter(before) && is_letter(at(Some(place + 1))),
            Self::Lines => is_letter(at(Some(place))),
        }
    }

    /// The byte that stands at a cut or before it, and how far the cut is from it.
    const fn sign(self) -> (u8, usize) {
        match self {
            Self::Words => (b' ', 0),
            Self::Lines => (b'\n', 1),
        }
    }

    /// The last place where a text may be cut; 0: nowhere.
    pub fn last(self, text: &[u8]) -> usize {
        let (sign, after) = self.sign();
        let mut places = memchr::memrchr_iter(sign, text).map(|place| place + after);
        places.find(|&place| self.allows(text, place)).unwrap_or(0)
    }

    /// The first place after `from` where a text may be cut.
    pub fn first(self, text: &[u8], from: usize) -> Option<usize> {
        let (sign, after) = self.sign();
        let mut places =
            memchr::memchr_iter(sign, text.get(from..)?).map(|place| from + place + after);
        places.find(|&place| self.allows(text, place))
    }
}
