//! SentencePiece's own normalizer (Kudo and Richardson 2018, section 3.1): at each place the longest user-defined piece stays
//! as it is; else the longest key of the character map becomes its text; else a character stays. Of spaces, runs become one and
//! those at the ends go, one is put before the text, and all become U+2581, each if asked for.
//!
//! A key may end inside a character; each byte that is then no character becomes U+FFFD. Of more than 32 keys at one place, or
//! 64 user-defined pieces, the longest of the shortest that many is taken, as there.
//!
//! Each byte begins in the raw text where what it was made from begins, and ends where the next begins, as in SentencePiece's
//! own alignment. An ASCII byte that begins no user-defined piece, is no key, and begins none with another ASCII byte, stays
//! when ASCII follows it: stretches of such bytes are copied whole.

use crate::bounds::Growth;
use crate::error::{Error, Result};
use crate::normalizer::SentencePiece;
use crate::normalizer::charsmap::{Charsmap, MAX_KEY};
use crate::traced::Traced;

/// Keys that are looked at in one place.
const MAX_KEYS: usize = 32;
/// User-defined pieces that are looked at in one place.
const MAX_PIECES: usize = 64;
const REPLACEMENT: &str = "\u{FFFD}";

/// The normalizer with its tables built.
#[derive(Debug)]
pub(super) struct Compiled {
    map: Option<Charsmap>,
    user_defined: Prefixes,
    space: &'static str,
    prefixes: bool,
    suffixes: bool,
    removes_spaces: bool,
    /// ASCII bytes that stay when ASCII, or nothing, follows.
    is_quiet: [bool; 256],
}

impl Compiled {
    /// # Errors
    /// Those of [`Charsmap::new`], and [`Error::Unsupported`] for a user-defined piece longer than [`MAX_KEY`].
    pub(super) fn new(spec: &SentencePiece) -> Result<Self> {
        let map = match spec.charsmap.as_slice() {
            [] => None,
            bytes => Some(Charsmap::new(bytes)?),
        };
        if spec.user_defined.iter().any(|piece| piece.len() > MAX_KEY) {
            let problem = format!("a user-defined piece of more than {MAX_KEY} bytes");
            return Err(Error::unsupported("normalizer", "user_defined", problem));
        }
        let mut compiled = Self {
            map,
            user_defined: Prefixes::new(&spec.user_defined),
            space: if spec.escape_whitespaces { "\u{2581}" } else { " " },
            prefixes: spec.add_dummy_prefix && !spec.treat_whitespace_as_suffix,
            suffixes: spec.add_dummy_prefix && spec.treat_whitespace_as_suffix,
            removes_spaces: spec.remove_extra_whitespaces,
            is_quiet: [false; 256],
        };
        for byte in 0..128 {
            let begins_none = (0..128).all(|next| compiled.longest_key(&[byte, next]).is_none());
            compiled.is_quiet[usize::from(byte)] =
                begins_none && !compiled.user_defined.begins[usize::from(byte)];
        }
        Ok(compiled)
    }

    /// # Errors
    /// [`crate::Error::GrowthLimit`], [`crate::Error::Interrupted`].
    pub(super) fn normalize(&self, traced: &mut Traced<'_>, growth: Growth<'_>) -> Result<()> {
        let text = traced.text();
        let mut at = if self.removes_spaces { self.n_leading(text) } else { 0 };
        let mut out = Out {
            text: String::with_capacity(text.len() + text.len() / 2),
            places: traced.is_traced().then(Vec::new),
        };
        let mut end = at;
        if at < text.len() {
            if self.prefixes {
                out.push(self.space, at);
            }
            let mut is_after_space = self.removes_spaces;
            while at < text.len() {
                let n_bytes = self.n_quiet(text.as_bytes(), at);
                if n_bytes > 0 {
                    out.keep(text, at, n_bytes);
                    is_after_space = false;
                    at += n_bytes;
                    growth.check(out.text.len())?;
                    continue;
                }
                let (piece, n_bytes) = self.prefix(text, at);
                let kept = if is_after_space { piece.trim_start_matches(' ') } else { piece };
                if !kept.is_empty() {
                    self.write(kept, at, &mut out);
                    is_after_space = self.removes_spaces && kept.ends_with(' ');
                }
                at += n_bytes;
                growth.check(out.text.len())?;
            }
            end = at;
            if self.removes_spaces {
                end = out.strip_end(self.space, end);
            }
            if self.suffixes {
                out.push(self.space, end);
            }
        }
        let mut places = out.places.unwrap_or_default();
        places.push(end);
        traced.replace_text(out.text, &places);
        Ok(())
    }

    /// The bytes at the beginning that become a space each.
    fn n_leading(&self, text: &str) -> usize {
        let mut at = 0;
        while at < text.len() {
            match self.prefix(text, at) {
                (" ", n_bytes) => at += n_bytes,
                _ => break,
            }
        }
        at
    }

    fn write(&self, piece: &str, at: usize, out: &mut Out) {
        for (i, part) in piece.split(' ').enumerate() {
            if i > 0 {
                out.push(self.space, at);
            }
            out.push(part, at);
        }
    }

    /// How many bytes from `at` on are certain to stay, and are no spaces.
    fn n_quiet(&self, text: &[u8], at: usize) -> usize {
        let rest = text.get(at..).unwrap_or_default();
        let is_kept = |byte: u8| self.is_quiet[usize::from(byte)] && byte != b' ';
        let end = rest.iter().position(|&byte| !is_kept(byte)).unwrap_or(rest.len());
        end - usize::from(end > 0 && rest.get(end).is_some_and(|byte| !byte.is_ascii()))
    }

    /// What the text from `at` on begins with, as it is to be written, and its length in the text.
    fn prefix<'t>(&'t self, text: &'t str, at: usize) -> (&'t str, usize) {
        let rest = text.as_bytes().get(at..).unwrap_or_default();
        if let &[first, ref behind @ ..] = rest
            && self.is_quiet[usize::from(first)]
            && behind.first().is_none_or(u8::is_ascii)
        {
            return (text.get(at..at + 1).unwrap_or_default(), 1);
        }
        if let Some(n_bytes) = self.user_defined.longest(rest) {
            return (text.get(at..at + n_bytes).unwrap_or_default(), n_bytes);
        }
        if let Some((piece, n_bytes)) = self.longest_key(rest) {
            return (piece, n_bytes);
        }
        match text.get(at..).and_then(|rest| rest.chars().next()) {
            Some(c) => (text.get(at..at + c.len_utf8()).unwrap_or_default(), c.len_utf8()),
            None => (REPLACEMENT, 1),
        }
    }

    fn longest_key(&self, text: &[u8]) -> Option<(&str, usize)> {
        let map = self.map.as_ref()?;
        let found = map.matches(text).take(MAX_KEYS).last()?;
        Some((map.text(found), found.n_bytes))
    }
}

/// What is written, and, if the spans are kept, the place that each byte comes from.
#[derive(Debug)]
struct Out {
    text: String,
    places: Option<Vec<usize>>,
}

impl Out {
    fn push(&mut self, piece: &str, at: usize) {
        self.text.push_str(piece);
        if let Some(places) = &mut self.places {
            places.extend(std::iter::repeat_n(at, piece.len()));
        }
    }

    /// Writes ASCII as it is.
    fn keep(&mut self, text: &str, at: usize, n_bytes: usize) {
        self.text.push_str(text.get(at..at + n_bytes).unwrap_or_default());
        if let Some(places) = &mut self.places {
            places.extend(at..at + n_bytes);
        }
    }

    /// Takes spaces away at the end, and says where the text, which went to `end`, then ends.
    fn strip_end(&mut self, space: &str, mut end: usize) -> usize {
        let n_kept = self.text.trim_end_matches(space).len();
        if n_kept < self.text.len() {
            self.text.truncate(n_kept);
            if let Some(places) = &mut self.places {
                end = places.get(n_kept).copied().unwrap_or(end);
                places.truncate(n_kept);
            }
        }
        end
    }
}

/// Finds which of some texts another begins with.
#[derive(Debug)]
struct Prefixes {
    sorted: Vec<String>,
    /// The bytes that one of them begins with.
    begins: [bool; 256],
}

impl Prefixes {
    fn new(texts: &[String]) -> Self {
        let mut sorted: Vec<String> =
            texts.iter().filter(|text| !text.is_empty()).cloned().collect();
        sorted.sort_unstable();
        sorted.dedup();
        let mut begins = [false; 256];
        for byte in sorted.iter().filter_map(|text| text.bytes().next()) {
            begins[usize::from(byte)] = true;
        }
        Self { sorted, begins }
    }

    /// The length of the longest: byte by byte, the stretch of the sorted list that begins like `text` is narrowed.
    fn longest(&self, text: &[u8]) -> Option<usize> {
        if !self.begins[usize::from(*text.first()?)] {
            return None;
        }
        let (mut like, mut longest, mut n_found) = (self.sorted.as_slice(), None, 0);
        for (i, byte) in text.iter().enumerate() {
            let at = |other: &String| other.as_bytes().get(i).copied();
            let start = like.partition_point(|other| at(other) < Some(*byte));
            let end = like.partition_point(|other| at(other) <= Some(*byte));
            like = like.get(start..end).unwrap_or_default();
            match like.first() {
                Some(first) if first.len() == i + 1 => {
                    (longest, n_found) = (Some(i + 1), n_found + 1);
                    if n_found == MAX_PIECES {
                        break;
                    }
                }
                Some(_) => {}
                None => break,
            }
        }
        longest
    }
}
