//! A character map as Hugging Face's library applies it: to each grapheme of up to five bytes, else to each character, and
//! always by the **shortest** key that it begins with (`spm_precompiled`; SentencePiece itself takes the longest).
//!
//! Between two ASCII characters, other than CR and LF, is always the end of a grapheme, whatever stands around them. So ASCII
//! that is no key by itself is copied whole, but for the last before something else, and only stretches between such places
//! are cut into graphemes.
//!
//! Where characters come from is told as there, too: a text shorter than what it stands for says of its last character that the
//! next ones are dropped; an empty one says it of the character before, and at the beginning of a text of none, so that all
//! characters that follow have the spans of earlier ones.

use unicode_segmentation::UnicodeSegmentation;

use crate::bounds::Growth;
use crate::error::Result;
use crate::normalizer::charsmap::Charsmap;
use crate::traced::{Rewriter, Traced};

/// The longest grapheme that is looked up, in bytes.
const MAX_GRAPHEME: usize = 5;

/// A map, and which ASCII characters it leaves alone.
#[derive(Debug)]
pub(super) struct Precompiled {
    map: Charsmap,
    is_quiet: [bool; 256],
}

impl Precompiled {
    /// # Errors
    /// Those of [`Charsmap::new`].
    pub(super) fn new(charsmap: &[u8]) -> Result<Self> {
        let map = Charsmap::new(charsmap)?;
        let mut is_quiet = [false; 256];
        for (byte, is_quiet) in (0..128).zip(&mut is_quiet) {
            *is_quiet = shortest(&map, &[byte]).is_none();
        }
        // The one grapheme of two ASCII characters.
        is_quiet[usize::from(b'\r')] &= shortest(&map, b"\r\n").is_none();
        Ok(Self { map, is_quiet })
    }

    /// # Errors
    /// [`crate::Error::GrowthLimit`], [`crate::Error::Interrupted`].
    pub(super) fn normalize(&self, text: &mut Traced<'_>, growth: Growth<'_>) -> Result<()> {
        if self.n_quiet(text.text().as_bytes()) == text.text().len() {
            return Ok(());
        }
        text.try_rewrite(|text, out| {
            let mut changes = Changes { out, last: None };
            let mut at = 0;
            while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
                match self.n_quiet(rest.as_bytes()) {
                    0 => {
                        let stretch = rest.get(..n_to_cut(rest.as_bytes())).unwrap_or(rest);
                        for grapheme in stretch.graphemes(true) {
                            self.write_grapheme(grapheme, &mut changes);
                            growth.check(changes.out.text().len())?;
                        }
                        at += stretch.len();
                    }
                    n_bytes => {
                        changes.keep_ascii(text, at, n_bytes);
                        growth.check(changes.out.text().len())?;
                        at += n_bytes;
                    }
                }
            }
            changes.finish();
            Ok(())
        })
    }

    /// How many bytes at the beginning are certain to stay.
    fn n_quiet(&self, text: &[u8]) -> usize {
        let end = text.iter().position(|&byte| !self.is_quiet[usize::from(byte)]);
        let end = end.unwrap_or(text.len());
        end - usize::from(end > 0 && text.get(end).is_some_and(|byte| !byte.is_ascii()))
    }

    fn write_grapheme(&self, grapheme: &str, changes: &mut Changes<'_, '_>) {
        if grapheme.len() <= MAX_GRAPHEME
            && let Some(text) = shortest(&self.map, grapheme.as_bytes())
        {
            return changes.replace(grapheme.chars().count(), text);
        }
        for c in grapheme.chars() {
            match shortest(&self.map, c.encode_utf8(&mut [0; 4]).as_bytes()) {
                Some(text) => changes.replace(1, text),
                None => changes.push(c, 0),
            }
        }
    }
}

/// What stands for the shortest key that `text` begins with; none holds a NUL.
fn shortest<'m>(map: &'m Charsmap, text: &[u8]) -> Option<&'m str> {
    let end = memchr::memchr(0, text).unwrap_or(text.len());
    map.matches(text.get(..end)?).next().map(|found| map.text(found))
}

/// The length of the stretch up to the first place between two ASCII characters that are not CR and LF.
fn n_to_cut(text: &[u8]) -> usize {
    let is_cut = |pair: &[u8]| pair.is_ascii() && pair != b"\r\n";
    text.windows(2).position(is_cut).map_or(text.len(), |i| i + 1)
}

/// Writes characters one behind, since what is left out later can change what is said of the last.
#[derive(Debug)]
struct Changes<'o, 't> {
    out: &'o mut Rewriter<'t>,
    last: Option<(char, isize)>,
}

impl Changes<'_, '_> {
    fn push(&mut self, c: char, change: isize) {
        self.finish();
        self.last = Some((c, change));
    }

    /// Writes `text` for `n_old` characters.
    fn replace(&mut self, n_old: usize, text: &str) {
        let mut n_new = 0;
        for c in text.chars() {
            self.push(c, isize::from(n_new >= n_old));
            n_new += 1;
        }
        if let Some((_, change)) = &mut self.last {
            *change -= n_old.saturating_sub(n_new).cast_signed();
        }
    }

    fn keep_ascii(&mut self, text: &str, at: usize, n_bytes: usize) {
        self.finish();
        let last = at + n_bytes - 1;
        self.out.keep_next(text, at..last);
        self.last = text.as_bytes().get(last).map(|&byte| (char::from(byte), 0));
    }

    /// Writes the last.
    fn finish(&mut self) {
        if let Some((c, change)) = self.last.take() {
            self.out.change(c, change);
        }
    }
}
