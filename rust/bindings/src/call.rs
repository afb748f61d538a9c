//! How Python calls into the core: the GIL released, Ctrl-C heard, progress told, panics turned into `InternalError`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use merganser_core::progress::{Phase, Progress};
use merganser_core::{Error, Result};
use pyo3::prelude::*;

use crate::errors::to_py_err;

/// Between two looks at signals.
const POLL: Duration = Duration::from_millis(50);

/// Runs short work in place. A panic is a bug of ours and becomes `InternalError`.
pub(crate) fn short<T>(work: impl FnOnce() -> Result<T>) -> PyResult<T> {
    guarded(work).map_err(|error| to_py_err(&error))
}

/// Runs long work on a thread of its own with the GIL released, while the calling thread looks for Ctrl-C and calls
/// `callback(done, total, phase)`. When either raises, the work is asked to stop, awaited, and the exception passed on.
pub(crate) fn long<T: Send>(
    py: Python<'_>,
    callback: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&Progress) -> Result<T> + Send,
) -> PyResult<T> {
    let progress = &Progress::default();
    let callback = callback.map(|callback| callback.clone().unbind());
    let callback = &callback;
    let work = &Mutex::new(Some(work));
    py.detach(|| {
        std::thread::scope(|scope| {
            let (send, receive) = channel();
            let spawned = std::thread::Builder::new().spawn_scoped(scope, move || {
                if let Some(work) = take(work) {
                    // Whoever was interrupted does not listen any more.
                    let _ = send.send(guarded(|| work(progress)));
                }
            });
            if spawned.is_err()
                && let Some(work) = take(work)
            {
                return short(|| work(progress));
            }
            let look = || {
                Python::attach(|py| {
                    py.check_signals()?;
                    tell(py, callback.as_ref(), progress)
                })
            };
            // The scope ends when the work does, which is soon once it is asked to stop.
            let value = awaited(&receive, look).inspect_err(|_| progress.stop())?;
            Python::attach(|py| tell(py, callback.as_ref(), progress))?;
            Ok(value)
        })
    })
}

/// Runs work that takes seconds at most and looks at nothing on its way, on a thread of its own with the GIL released. On Ctrl-C
/// nobody waits for it: it comes to its end by itself, and what it gives is dropped.
pub(crate) fn left_alone<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> PyResult<T> {
    py.detach(|| {
        let (send, receive) = channel();
        let work = Arc::new(Mutex::new(Some(work)));
        let theirs = Arc::clone(&work);
        let spawned = std::thread::Builder::new().spawn(move || {
            if let Some(work) = take(&theirs) {
                // Whoever was interrupted does not listen any more.
                let _ = send.send(guarded(work));
            }
        });
        if spawned.is_err()
            && let Some(work) = take(&work)
        {
            return short(work);
        }
        awaited(&receive, || Python::attach(check_signals))
    })
}

/// Takes the work out: the one who gets it does it, which is the calling thread if no other can be started.
fn take<W>(work: &Mutex<Option<W>>) -> Option<W> {
    work.lock().ok().and_then(|mut work| work.take())
}

/// Waits for the result of another thread, and calls `look` in between until it raises.
fn awaited<T>(
    receive: &Receiver<Result<T>>,
    mut look: impl FnMut() -> PyResult<()>,
) -> PyResult<T> {
    let result = loop {
        match receive.recv_timeout(POLL) {
            Ok(result) => break result,
            Err(RecvTimeoutError::Timeout) => look()?,
            Err(RecvTimeoutError::Disconnected) => {
                break Err(Error::Internal("a worker thread is gone".to_owned()));
            }
        }
    };
    result.map_err(|error| to_py_err(&error))
}

/// For [`Python::attach`].
pub(crate) fn check_signals(py: Python<'_>) -> PyResult<()> {
    py.check_signals()
}

fn tell(py: Python<'_>, callback: Option<&Py<PyAny>>, progress: &Progress) -> PyResult<()> {
    let Some(callback) = callback else {
        return Ok(());
    };
    let (phase, done, total) = progress.snapshot();
    let phase = match phase {
        Phase::Encode => "encode",
        Phase::Count => "count",
        Phase::Merge => "merge",
        Phase::Seed => "seed",
        Phase::Em => "em",
        Phase::Prune => "prune",
        Phase::Gather => "gather",
    };
    callback.call1(py, (done, (total > 0).then_some(total), phase))?;
    Ok(())
}

fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|&text| text.to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(Error::Internal(text.unwrap_or_default()))
    })
}
