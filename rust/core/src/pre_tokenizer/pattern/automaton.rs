//! Leftmost-first search by lazily built deterministic automata, one byte a step, each step counted.
//!
//! As in any regular-expression engine that is linear (Cox 2010, "Regular expression matching in the wild"): one
//! automaton reads forward and says where the leftmost match ends, and which alternative it is; another reads back from
//! there and says where it starts. They hold no assertions, so a search from any place sees only what follows.
//!
//! The alternative `\s+(?!\S)` is run as `\s+`, which takes all white space there is, and put right after. What follows
//! then is the end of the text or no white space. At the end, the match stands. Else it gives back its last character,
//! which is white space and so may follow; if it has only one, the alternative fails at this place: the later
//! alternatives are tried there, and if they fail too the search goes on at the next character. Alternatives before it
//! have failed there already, or they would have been preferred.

use std::ops::Range;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use regex_automata::hybrid::dfa::{Cache, Config, DFA};
use regex_automata::hybrid::{CacheError, StartError};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::pool::Pool;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind, PatternID};
use regex_syntax::hir::Hir;

use super::Work;
use super::syntax::Branch;
use crate::error::{Error, Result};

/// Steps between two counts.
pub(super) const STRIDE: usize = 1 << 12;
/// Bytes that a compiled pattern may take in each direction.
const COMPILED_LIMIT: usize = 10 << 20;
/// Bytes of states kept in each direction, for each thread; beyond them all are built anew.
const CACHE_CAPACITY: usize = 4 << 20;

type CacheBuilder = Box<dyn Fn() -> Caches + Send + Sync + UnwindSafe + RefUnwindSafe>;

/// A pattern as automata; states are built when first needed and shared by all searches of a thread.
#[derive(Debug)]
pub(super) struct Automaton {
    forward: Arc<DFA>,
    backward: Arc<DFA>,
    /// For each alternative, whether it is `\s+(?!\S)`.
    spares_last_space: Vec<bool>,
    caches: Pool<Caches, CacheBuilder>,
}

#[derive(Debug)]
struct Caches {
    forward: Cache,
    backward: Cache,
}

impl Automaton {
    /// Compiles alternatives, the preferred first; the error says what is wrong with them.
    pub(super) fn new(branches: &[Branch]) -> std::result::Result<Self, String> {
        let hirs: Vec<&Hir> = branches.iter().map(|branch| &branch.hir).collect();
        let config = Config::new()
            .cache_capacity(CACHE_CAPACITY)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(None);
        let forward = config
            .clone()
            .match_kind(MatchKind::LeftmostFirst)
            .starts_for_each_pattern(branches.len() > 1);
        let forward = Arc::new(build(&hirs, false, forward)?);
        let backward = Arc::new(build(&hirs, true, config.match_kind(MatchKind::All))?);
        let dfas = (Arc::clone(&forward), Arc::clone(&backward));
        let create: CacheBuilder = Box::new(move || Caches {
            forward: dfas.0.create_cache(),
            backward: dfas.1.create_cache(),
        });
        let spares_last_space = branches.iter().map(|branch| branch.spares_last_space).collect();
        Ok(Self { forward, backward, spares_last_space, caches: Pool::new(create) })
    }

    /// Calls `each` for every match from left to right, as [`regex_automata::meta::Regex::find_iter`] finds them: an
    /// empty match is dropped where a match has just ended.
    pub(super) fn for_each_match(
        &self,
        text: &str,
        work: &mut Work,
        mut each: impl FnMut(Range<usize>) -> Result<()>,
    ) -> Result<()> {
        let mut caches = self.caches.get();
        let mut from = 0;
        let mut last_end = None;
        while let Some(found) = self.find(&mut caches, text, from, work)? {
            if found.is_empty() && last_end == Some(found.end) {
                let rest = text.get(found.end..).unwrap_or_default();
                let Some(next) = rest.chars().next() else {
                    break;
                };
                from = found.end + next.len_utf8();
                continue;
            }
            from = found.end;
            last_end = Some(found.end);
            each(found)?;
        }
        Ok(())
    }

    /// The leftmost match that starts at `from` or later.
    fn find(
        &self,
        caches: &mut Caches,
        text: &str,
        mut from: usize,
        work: &mut Work,
    ) -> Result<Option<Range<usize>>> {
        let bytes = text.as_bytes();
        loop {
            let found = self.end_of_match(&mut caches.forward, bytes, from, Anchored::No, work)?;
            let Some((branch, end)) = found else {
                return Ok(None);
            };
            let start = self.start_of_match(&mut caches.backward, bytes, from..end, work)?;
            if !self.spares_last_space[branch] || end == text.len() {
                return Ok(Some(start..end));
            }
            let last_space = text.get(start..end).and_then(|spaces| spaces.chars().next_back());
            let last = end - last_space.map_or(0, char::len_utf8);
            if last > start {
                return Ok(Some(start..last));
            }
            for later in branch + 1..self.spares_last_space.len() {
                if self.spares_last_space[later] {
                    continue;
                }
                let anchored = Anchored::Pattern(PatternID::must(later));
                let found = self.end_of_match(&mut caches.forward, bytes, start, anchored, work)?;
                if let Some((_, end)) = found {
                    return Ok(Some(start..end));
                }
            }
            from = end;
        }
    }

    /// Which alternative matches leftmost from `from` on, and where the match ends.
    #[inline]
    fn end_of_match(
        &self,
        cache: &mut Cache,
        text: &[u8],
        from: usize,
        anchored: Anchored,
        work: &mut Work,
    ) -> Result<Option<(usize, usize)>> {
        let dfa = &*self.forward;
        let mut state = dfa
            .start_state(cache, &start::Config::new().anchored(anchored))
            .map_err(|problem| no_start(&problem))?;
        let mut found = None;
        let mut stretch = from;
        for stretch_bytes in text[from..].chunks(STRIDE) {
            for (i, &byte) in stretch_bytes.iter().enumerate() {
                state = dfa.next_state(cache, state, byte).map_err(|problem| gave_up(&problem))?;
                if state.is_tagged() {
                    // A match is known one byte after its end.
                    if state.is_match() {
                        let branch = dfa.match_pattern(cache, state, 0);
                        found = Some((branch.as_usize(), stretch + i));
                    } else if state.is_dead() {
                        work.spend(i + 1, from)?;
                        return Ok(found);
                    }
                }
            }
            stretch += stretch_bytes.len();
            work.spend(stretch_bytes.len(), from)?;
        }
        work.spend(1, from)?;
        state = dfa.next_eoi_state(cache, state).map_err(|problem| gave_up(&problem))?;
        if state.is_match() {
            found = Some((dfa.match_pattern(cache, state, 0).as_usize(), text.len()));
        }
        Ok(found)
    }

    /// Where the leftmost match within `range` starts that ends where `range` does.
    #[inline]
    fn start_of_match(
        &self,
        cache: &mut Cache,
        text: &[u8],
        range: Range<usize>,
        work: &mut Work,
    ) -> Result<usize> {
        let dfa = &*self.backward;
        let mut state = dfa
            .start_state(cache, &start::Config::new().anchored(Anchored::Yes))
            .map_err(|problem| no_start(&problem))?;
        let mut found = range.end;
        let mut stretch = range.end;
        for stretch_bytes in text[range.clone()].rchunks(STRIDE) {
            for (i, &byte) in stretch_bytes.iter().rev().enumerate() {
                state = dfa.next_state(cache, state, byte).map_err(|problem| gave_up(&problem))?;
                if state.is_tagged() {
                    if state.is_match() {
                        found = stretch - i;
                    } else if state.is_dead() {
                        work.spend(i + 1, range.start)?;
                        return Ok(found);
                    }
                }
            }
            stretch -= stretch_bytes.len();
            work.spend(stretch_bytes.len(), range.start)?;
        }
        work.spend(1, range.start)?;
        state = dfa.next_eoi_state(cache, state).map_err(|problem| gave_up(&problem))?;
        Ok(if state.is_match() { range.start } else { found })
    }
}

fn build(hirs: &[&Hir], is_backward: bool, config: Config) -> std::result::Result<DFA, String> {
    let nfa = thompson::Compiler::new()
        .configure(
            thompson::Config::new()
                .reverse(is_backward)
                .which_captures(WhichCaptures::None)
                .nfa_size_limit(Some(COMPILED_LIMIT)),
        )
        .build_many_from_hir(hirs)
        .map_err(|problem| problem.to_string())?;
    DFA::builder().configure(config).build_from_nfa(nfa).map_err(|problem| problem.to_string())
}

/// States are built anew without end when they do not fit: giving up was not asked for.
#[cold]
fn gave_up(problem: &CacheError) -> Error {
    Error::Internal(problem.to_string())
}

#[cold]
fn no_start(problem: &StartError) -> Error {
    Error::Internal(problem.to_string())
}
