//! [`run_all`]: parts of a work side by side.

/// Calls `run` for each of `works`, the first on the calling thread and each of the others on one of its own.
pub(crate) fn run_all<W: Send>(works: impl IntoIterator<Item = W>, run: impl Fn(W) + Copy + Send) {
    let mut works = works.into_iter();
    let first = works.next();
    std::thread::scope(|scope| {
        for work in works {
            scope.spawn(move || run(work));
        }
        first.map(run);
    });
}

/// Fewer numbers stay on one thread.
pub(crate) const MIN_SHARED: usize = 1 << 16;

/// How many of `n` elements each of at most `n_threads` threads takes: whole multiples of `step` for all but the last, and no
/// fewer than `at_least`, so that a small work stays on one.
pub(crate) fn n_each(n: usize, n_threads: usize, step: usize, at_least: usize) -> usize {
    n.div_ceil(n_threads.max(1)).max(at_least).next_multiple_of(step).max(1)
}
