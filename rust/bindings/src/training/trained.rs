//! `_core.Trained`: what a trainer gives, before it is made a tokenizer.

use merganser_core::Definition;
use merganser_core::train::Trained as CoreTrained;
use pyo3::prelude::*;

use crate::call::left_alone;
use crate::tokenizer::Tokenizer;

#[pyclass(frozen, module = "merganser._core")]
pub(crate) struct Trained(pub(super) CoreTrained);

#[pymethods]
impl Trained {
    /// What the trainer saw, made and left out, in JSON.
    #[getter]
    fn report(&self) -> String {
        self.0.report.to_json()
    }

    /// The tokenizer, which carries `training`, a JSON object that says how it was trained.
    fn tokenizer(&self, py: Python<'_>, training: String) -> PyResult<Tokenizer> {
        let definition = Definition { training: Some(training), ..self.0.definition.clone() };
        left_alone(py, || Tokenizer::new(definition))
    }
}
