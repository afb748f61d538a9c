//! [`multiply`]: the product of a few rows with a large matrix.
//!
//! Such a product, a token for each of some texts, takes about as long as the matrix takes to read. A general product packs the
//! matrix anew each time, which costs several times that. Here the matrix is read once, a few of its rows at a time as streams
//! side by side, and what is read meets all of the rows before more is read.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use crate::threads::{n_each, run_all};

/// How the matrix lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A row of the matrix for each input.
    ByInput,
    /// A row of the matrix for each output: the product is with its transpose.
    ByOutput,
}

/// So many rows of the matrix are read side by side, each a stream to the processor.
const STREAMS: usize = 16;
/// So many outputs of a [`Layout::ByOutput`] are computed side by side.
const OUTPUTS: usize = 4;

/// Writes the product of `rows` with a matrix to `out`, on `n_threads` threads.
///
/// Rows are `n_in` numbers each, those of `out` `n_out`. Sums are taken in one order, however many threads there are.
///
/// # Panics
/// If the lengths do not fit each other.
pub fn multiply(
    rows: &[f32],
    matrix: &[f32],
    layout: Layout,
    out: &mut [f32],
    (n_in, n_out): (usize, usize),
    n_threads: usize,
) {
    assert_eq!(matrix.len(), n_in * n_out, "the matrix must have {n_in} x {n_out} numbers");
    assert_eq!(rows.len() * n_out, out.len() * n_in, "as many rows must come out as go in");
    if matrix.is_empty() || rows.is_empty() {
        out.fill(0.0);
        return;
    }
    let rows: Vec<&[f32]> = rows.chunks_exact(n_in).collect();
    // Whole vectors for all threads but the last, so that sums are the same however many there are.
    let n_each = n_each(n_out, n_threads, 32, 0);
    let mut parts: Vec<Part<'_>> = (0..n_out)
        .step_by(n_each)
        .map(|start| Part {
            rows: &rows,
            matrix,
            layout,
            n_out,
            outputs: start..n_out.min(start + n_each),
            out: Vec::with_capacity(rows.len()),
        })
        .collect();
    for row in out.chunks_exact_mut(n_out) {
        for (part, piece) in parts.iter_mut().zip(row.chunks_mut(n_each)) {
            part.out.push(piece);
        }
    }
    let arch = Arch::new();
    run_all(parts, |part| arch.dispatch(part));
}

/// The outputs that one thread computes.
struct Part<'a> {
    rows: &'a [&'a [f32]],
    matrix: &'a [f32],
    layout: Layout,
    n_out: usize,
    outputs: Range<usize>,
    /// These outputs of each row.
    out: Vec<&'a mut [f32]>,
}

impl WithSimd for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.layout {
            Layout::ByInput => self.by_input(simd),
            Layout::ByOutput => self.by_output(simd),
        }
    }
}

impl Part<'_> {
    /// Adds to the outputs what each few inputs give.
    #[inline(always)]
    fn by_input<S: Simd>(mut self, simd: S) {
        for out in &mut self.out {
            out.fill(0.0);
        }
        let n_in = self.matrix.len() / self.n_out;
        for input in (0..n_in).step_by(STREAMS) {
            let n_inputs = STREAMS.min(n_in - input);
            let strip: [&[f32]; STREAMS] = std::array::from_fn(|i| {
                let at = (input + i.min(n_inputs - 1)) * self.n_out;
                &self.matrix[at + self.outputs.start..at + self.outputs.end]
            });
            let strip = &strip[..n_inputs];
            let mut inputs = self.rows.iter().map(|row| &row[input..input + n_inputs]);
            for outs in self.out.chunks_mut(4) {
                let mut next = || inputs.next().unwrap_or_default();
                match outs {
                    [o, p, q, r] => {
                        add(simd, strip, [next(), next(), next(), next()], [o, p, q, r]);
                    }
                    [o, p, q] => add(simd, strip, [next(), next(), next()], [o, p, q]),
                    [o, p] => add(simd, strip, [next(), next()], [o, p]),
                    outs => outs.iter_mut().for_each(|o| add(simd, strip, [next()], [o])),
                }
            }
        }
    }

    /// Each output is a product of two rows.
    #[inline(always)]
    fn by_output<S: Simd>(mut self, simd: S) {
        let n_in = self.matrix.len() / self.n_out;
        for output in self.outputs.clone().step_by(OUTPUTS) {
            let n = OUTPUTS.min(self.outputs.end - output);
            let strip: [&[f32]; OUTPUTS] = std::array::from_fn(|i| {
                let at = (output + i.min(n - 1)) * n_in;
                &self.matrix[at..at + n_in]
            });
            let own = output - self.outputs.start..output - self.outputs.start + n;
            for (rows, outs) in self.rows.chunks(2).zip(self.out.chunks_mut(2)) {
                let mut write = |sums: &[[f32; OUTPUTS]]| {
                    for (out, sums) in outs.iter_mut().zip(sums) {
                        out[own.clone()].copy_from_slice(&sums[..n]);
                    }
                };
                match *rows {
                    [a, b] => write(&dots(simd, strip, [a, b])),
                    [a] => write(&dots(simd, strip, [a])),
                    _ => {}
                }
            }
        }
    }
}

/// Adds to each of `outs` the rows of a strip times its inputs, two vectors at a time.
#[inline(always)]
fn add<S: Simd, const N: usize>(
    simd: S,
    strip: &[&[f32]],
    inputs: [&[f32]; N],
    mut outs: [&mut [f32]; N],
) {
    let width = 2 * S::F32_LANES;
    let whole = outs[0].len() / width * width;
    for start in (0..whole).step_by(width) {
        let place = start..start + width;
        let pair = |slice| {
            let (vectors, _) = S::as_simd_f32s(slice);
            [vectors[0], vectors[1]]
        };
        let mut sums: [_; N] = std::array::from_fn(|r| pair(&outs[r][place.clone()]));
        for (i, row) in strip.iter().enumerate() {
            let [low, high] = pair(&row[place.clone()]);
            for (sums, inputs) in sums.iter_mut().zip(&inputs) {
                let x = simd.splat_f32s(inputs[i]);
                sums[0] = simd.mul_add_f32s(low, x, sums[0]);
                sums[1] = simd.mul_add_f32s(high, x, sums[1]);
            }
        }
        for (out, sums) in outs.iter_mut().zip(sums) {
            let (vectors, _) = S::as_mut_simd_f32s(&mut out[place.clone()]);
            vectors.copy_from_slice(&sums);
        }
    }
    for (out, inputs) in outs.iter_mut().zip(inputs) {
        for (row, x) in strip.iter().zip(inputs) {
            for (sum, weight) in out[whole..].iter_mut().zip(&row[whole..]) {
                *sum += weight * x;
            }
        }
    }
}

/// The products of each of `rows` with each row of a strip.
#[inline(always)]
fn dots<S: Simd, const N: usize>(
    simd: S,
    strip: [&[f32]; OUTPUTS],
    rows: [&[f32]; N],
) -> [[f32; OUTPUTS]; N] {
    let whole = strip[0].len() / S::F32_LANES;
    let (strip, strip_rest) = split::<S, OUTPUTS>(strip, whole);
    let (rows, rows_rest) = split::<S, N>(rows, whole);
    let mut sums = [[simd.splat_f32s(0.0); OUTPUTS]; N];
    for i in 0..whole {
        let weights: [_; OUTPUTS] = std::array::from_fn(|o| strip[o][i]);
        for (sums, row) in sums.iter_mut().zip(rows) {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum = simd.mul_add_f32s(row[i], weight, *sum);
            }
        }
    }
    std::array::from_fn(|r| {
        std::array::from_fn(|o| {
            let rest = rows_rest[r].iter().zip(strip_rest[o]).map(|(x, weight)| x * weight);
            simd.reduce_sum_f32s(sums[r][o]) + rest.sum::<f32>()
        })
    })
}

/// Slices of one length as vectors, `whole` of each, and what is left.
#[inline(always)]
fn split<S: Simd, const N: usize>(
    slices: [&[f32]; N],
    whole: usize,
) -> ([&[S::f32s]; N], [&[f32]; N]) {
    let parts = slices.map(|slice| S::as_simd_f32s(slice));
    (parts.map(|(vectors, _)| &vectors[..whole]), parts.map(|(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Small whole numbers, whose sums are exact in any order.
    fn numbers(n: usize, step: u16) -> Vec<f32> {
        (0..n)
            .scan(0, |state, _| {
                *state = (*state + step) % 15;
                Some(f32::from(*state) - 7.0)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn products_are_exact_of_whole_numbers(
            n_rows in 0_usize..19,
            n_in in 0_usize..70,
            n_out in 0_usize..140,
            n_threads in 0_usize..5,
            layout in prop::sample::select(vec![Layout::ByInput, Layout::ByOutput]),
        ) {
            let (rows, matrix) = (numbers(n_rows * n_in, 7), numbers(n_in * n_out, 11));
            let mut out = vec![f32::NAN; n_rows * n_out];
            multiply(&rows, &matrix, layout, &mut out, (n_in, n_out), n_threads);
            for row in 0..n_rows {
                for output in 0..n_out {
                    let expected: f32 = (0..n_in)
                        .map(|input| {
                            let place = match layout {
                                Layout::ByInput => input * n_out + output,
                                Layout::ByOutput => output * n_in + input,
                            };
                            rows[row * n_in + input] * matrix[place]
                        })
                        .sum();
                    prop_assert_eq!(out[row * n_out + output].to_bits(), (expected + 0.0).to_bits());
                }
            }
        }

        #[test]
        fn sums_do_not_depend_on_the_threads(n_out in 1_usize..200, n_threads in 2_usize..5) {
            let (n_rows, n_in) = (5, 37);
            let rows: Vec<f32> = numbers(n_rows * n_in, 3).iter().map(|x| x / 7.0).collect();
            let matrix: Vec<f32> = numbers(n_in * n_out, 13).iter().map(|x| x / 3.0).collect();
            for layout in [Layout::ByInput, Layout::ByOutput] {
                let [one, many] = [1, n_threads].map(|n_threads| {
                    let mut out = vec![0.0; n_rows * n_out];
                    multiply(&rows, &matrix, layout, &mut out, (n_in, n_out), n_threads);
                    out
                });
                prop_assert_eq!(one, many);
            }
        }
    }
}
