//! Patterns from files that nobody vouches for, run so that none can hang the process.
//!
//! Everything runs on finite automata ([`automaton`]), which look at one byte a step. One search is linear in the text,
//! but finding all matches need not be: `a+b|a` looks at the whole rest of `aaaa...` for each match. So the steps of
//! all searches in a text are counted, and beyond [`STEPS_PER_BYTE`] for each of its bytes, and [`SPARE_STEPS`],
//! [`Error::PatternLimit`] is returned. Both the count and the place of the error depend on pattern and text alone.
//!
//! Why the bound holds: no byte is looked at but by a step, and each step is counted before the next
//! [`automaton::STRIDE`] of them begin. A step is a table look-up, or, where the table has no entry yet, work in
//! proportion to the size of the pattern. A large pattern pays more for each step, so that the work of a text is bounded
//! for every pattern, and one larger than [`SIZE_LIMIT`] is refused. Ordinary patterns match nearly everywhere and look a
//! few bytes past a match: the published ones take fewer than eight steps a byte on any text.
//!
//! Invariant: a pattern is accepted only if it means the same here and in Oniguruma (what `tokenizers` uses); syntax
//! whose meaning differs is refused by name ([`syntax`], [`folding`]). So is all look-around but the one that published tokenizers
//! use, `\s+(?!\S)` as an alternative of its own, which the automata answer exactly.

mod automaton;
mod folding;
mod syntax;

use std::ops::Range;

use memchr::memmem;
use regex_syntax::hir::{Hir, HirKind};

use crate::error::{Error, Result};
use crate::pre_tokenizer::pattern::automaton::Automaton;
use crate::progress::Progress;

/// Steps allowed for each byte of a text.
const STEPS_PER_BYTE: u64 = 64;
/// Steps allowed whatever the length of the text.
const SPARE_STEPS: u64 = 1 << 16;
/// Steps between two looks at whether to stop.
const POLL_STEPS: u64 = 1 << 16;
/// What a pattern must grow by to make a step cost one more.
const SIZE_PER_STEP: u64 = 64;
/// What the [`size`] of a pattern may be; at its price, a text still has three steps for each byte.
const SIZE_LIMIT: u64 = 1 << 10;
/// Bytes that a pattern may be long: it is parsed before its size is known, and takes some seventy times its length then.
const MAX_PATTERN_BYTES: usize = 1 << 16;
/// Bytes of a text searched for a literal between two looks at whether to stop.
const LITERAL_STRIDE: usize = 1 << 18;

/// A built pattern.
#[derive(Debug)]
pub struct Matcher(Kind);

#[derive(Debug)]
enum Kind {
    Literal(String),
    Regex { pattern: String, automaton: Box<Automaton>, step_cost: u64 },
}

impl Matcher {
    /// Looks for `text` itself; an empty `text` matches nowhere.
    pub fn literal(text: &str) -> Self {
        Self(Kind::Literal(text.to_owned()))
    }

    /// Looks for a regular expression.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for syntax that means something else elsewhere and for look-around whose work has no
    /// bound, [`Error::Format`] for an invalid pattern; `place` says where it stood.
    pub fn regex(pattern: &str, place: &str) -> Result<Self> {
        if pattern.len() > MAX_PATTERN_BYTES {
            let problem = format!(
                "a pattern may be {MAX_PATTERN_BYTES} bytes long, and this one is {} bytes",
                pattern.len()
            );
            return Err(Error::unsupported("pattern", place, problem));
        }
        let branches = syntax::branches(pattern, place)?;
        let size = branches.iter().map(|branch| size(&branch.hir)).fold(0, u64::saturating_add);
        if size > SIZE_LIMIT {
            let problem = format!(
                "a pattern of more than {SIZE_LIMIT} characters, classes and operators, repetitions written out"
            );
            return Err(Error::unsupported("pattern", place, problem));
        }
        let automaton = Automaton::new(&branches).map_err(|problem| {
            let problem = format!("{pattern:?} is not a usable regular expression: {problem}");
            Error::format("pattern", place, problem)
        })?;
        Ok(Self(Kind::Regex {
            pattern: pattern.to_owned(),
            automaton: Box::new(automaton),
            step_cost: 1 + size / SIZE_PER_STEP,
        }))
    }

    /// Calls `each` for every match from left to right.
    ///
    /// # Errors
    /// [`Error::PatternLimit`] when the search takes too many steps, [`Error::Interrupted`], and those of `each`, at
    /// once.
    pub fn for_each_match(
        &self,
        text: &str,
        progress: &Progress,
        each: impl FnMut(Range<usize>) -> Result<()>,
    ) -> Result<()> {
        match &self.0 {
            Kind::Literal(needle) => for_each_occurrence(text, needle, progress, each),
            Kind::Regex { pattern, automaton, step_cost } => {
                let mut work = Work::new(pattern, *step_cost, text.len(), progress)?;
                automaton.for_each_match(text, &mut work, each)
            }
        }
    }
}

/// Calls `each` where `needle` stands, in stretches that overlap by less than a needle.
fn for_each_occurrence(
    text: &str,
    needle: &str,
    progress: &Progress,
    mut each: impl FnMut(Range<usize>) -> Result<()>,
) -> Result<()> {
    if needle.is_empty() {
        return Ok(());
    }
    let finder = memmem::Finder::new(needle);
    let stride = LITERAL_STRIDE.max(needle.len());
    let mut from = 0;
    while from < text.len() {
        progress.check()?;
        // An occurrence that begins before `next` ends within the stretch.
        let next = text.len().min(from + stride);
        let stretch = &text.as_bytes()[from..text.len().min(next + needle.len() - 1)];
        let mut end = from;
        for found in finder.find_iter(stretch) {
            end = from + found + needle.len();
            each(from + found..end)?;
        }
        from = next.max(end);
    }
    Ok(())
}

/// The size of a pattern: its characters, classes and operators, with repetitions written out.
fn size(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.max(1));
            size(&repetition.sub).saturating_mul(u64::from(times)).saturating_add(1)
        }
        HirKind::Capture(capture) => size(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(size).fold(1, u64::saturating_add)
        }
    }
}

/// The steps that may still be taken in one text.
#[derive(Debug)]
struct Work<'a> {
    pattern: &'a str,
    step_cost: u64,
    n_left: u64,
    n_unpolled: u64,
    progress: &'a Progress,
}

impl<'a> Work<'a> {
    fn new(
        pattern: &'a str,
        step_cost: u64,
        n_bytes: usize,
        progress: &'a Progress,
    ) -> Result<Self> {
        progress.check()?;
        let n_left = SPARE_STEPS.saturating_add(STEPS_PER_BYTE.saturating_mul(n_bytes as u64));
        Ok(Self { pattern, step_cost, n_left, n_unpolled: 0, progress })
    }

    /// Counts steps taken by the search that began at `place`.
    #[inline]
    fn spend(&mut self, n_steps: usize, place: usize) -> Result<()> {
        let cost = (n_steps as u64).saturating_mul(self.step_cost);
        match self.n_left.checked_sub(cost) {
            Some(n_left) => self.n_left = n_left,
            None => {
                return Err(Error::PatternLimit {
                    pattern: self.pattern.to_owned(),
                    byte_offset: place,
                });
            }
        }
        self.n_unpolled += cost;
        if self.n_unpolled >= POLL_STEPS {
            self.n_unpolled = 0;
            self.progress.check()?;
        }
        Ok(())
    }
}
