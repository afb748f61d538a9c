//! How Python calls into the core: the GIL released, Ctrl-C heard, progress told, panics turned into `InternalError`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
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
            // The one who takes the work does it: this thread, if no other can be started.
            let take = move || {
                let work = work.lock().ok().and_then(|mut work| work.take());
                work.map(|work| guarded(|| work(progress)))
            };
            let spawned = std::thread::Builder::new().spawn_scoped(scope, move || {
                if let Some(result) = take() {
                    // The receiver lives until the result is in.
                    let _ = send.send(result);
                }
            });
            if spawned.is_err()
                && let Some(result) = take()
            {
                return result.map_err(|error| to_py_err(&error));
            }
            let mut raised = None;
            let result = loop {
                match receive.recv_timeout(POLL) {
                    Ok(result) => break result,
                    Err(RecvTimeoutError::Disconnected) => {
                        break Err(Error::Internal("a worker thread is gone".to_owned()));
                    }
                    Err(RecvTimeoutError::Timeout) if raised.is_some() => {}
                    Err(RecvTimeoutError::Timeout) => {
                        let looked = Python::attach(|py| {
                            py.check_signals()?;
                            tell(py, callback.as_ref(), progress)
                        });
                        if let Err(exception) = looked {
                            progress.stop();
                            raised = Some(exception);
                        }
                    }
                }
            };
            match (raised, result) {
                (Some(exception), _) => Err(exception),
                (None, Ok(value)) => {
                    Python::attach(|py| tell(py, callback.as_ref(), progress))?;
                    Ok(value)
                }
                (None, Err(error)) => Err(to_py_err(&error)),
            }
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
        let take = |work: &Mutex<Option<_>>| work.lock().ok().and_then(|mut work| work.take());
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
            return guarded(work).map_err(|error| to_py_err(&error));
        }
        loop {
            match receive.recv_timeout(POLL) {
                Ok(result) => return result.map_err(|error| to_py_err(&error)),
                Err(RecvTimeoutError::Timeout) => Python::attach(check_signals)?,
                Err(RecvTimeoutError::Disconnected) => {
                    let error = Error::Internal("a worker thread is gone".to_owned());
                    return Err(to_py_err(&error));
                }
            }
        }
    })
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
