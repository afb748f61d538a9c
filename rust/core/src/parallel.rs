//! Work spread over threads, with the same result for any number of them.
//!
//! Threads live for one call: there is no pool to break when the process forks, and no state between calls.

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use crate::error::{Error, Result};

/// More threads than this are never used, whatever is asked.
const MAX_THREADS: usize = 1024;

/// The number of threads to use: as asked, or as many as the machine gives.
pub fn n_threads(asked: Option<usize>) -> usize {
    let given = || std::thread::available_parallelism().map_or(1, NonZero::get);
    asked.unwrap_or_else(given).clamp(1, MAX_THREADS)
}

/// Runs `task(state, i)` for each `i` below `n_tasks`, on one thread a state; results in the order of `i`.
///
/// # Errors
/// Of the tasks that fail, the error of the one with the smallest `i`: every task before it has run.
pub fn map<S: Send, T: Send>(
    states: &mut [S],
    n_tasks: usize,
    task: impl Fn(&mut S, usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let Some((own, others)) = states.split_first_mut() else {
        return Ok(Vec::new());
    };
    if others.is_empty() || n_tasks <= 1 {
        return (0..n_tasks).map(|i| task(own, i)).collect();
    }
    let next = AtomicUsize::new(0);
    let has_failed = AtomicBool::new(false);
    let finished: Mutex<Vec<(usize, Result<T>)>> = Mutex::new(Vec::with_capacity(n_tasks));
    let work = |state: &mut S| {
        let mut results = Vec::new();
        while !has_failed.load(Relaxed) {
            let i = next.fetch_add(1, Relaxed);
            if i >= n_tasks {
                break;
            }
            let result = task(state, i);
            if result.is_err() {
                has_failed.store(true, Relaxed);
            }
            results.push((i, result));
        }
        if let Ok(mut finished) = finished.lock() {
            finished.append(&mut results);
        }
    };
    std::thread::scope(|scope| {
        for state in others.iter_mut().take(n_tasks - 1) {
            // A thread that cannot be started is one fewer: the caller's own always runs.
            let _ = std::thread::Builder::new().spawn_scoped(scope, || work(state));
        }
        work(own);
    });
    let mut finished = finished
        .into_inner()
        .map_err(|_| Error::Internal("a worker thread panicked".to_owned()))?;
    finished.sort_unstable_by_key(|&(i, _)| i);
    finished.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn map_keeps_order_and_reports_the_first_error() {
        let squares = map(&mut [(); 4], 1000, |(), i| Ok(i * i)).unwrap();
        assert!(squares.iter().enumerate().all(|(i, &square)| square == i * i));
        let fail = |(): &mut (), i: usize| {
            if i % 300 == 299 { Err(Error::Config(i.to_string())) } else { Ok(()) }
        };
        for n_threads in [1, 2, 8] {
            assert_eq!(
                map(&mut vec![(); n_threads], 1000, fail),
                Err(Error::Config("299".to_owned()))
            );
        }
    }
}
