//! [`Adam`]: an update of parameters.

use pulp::{Arch, Simd, WithSimd};

/// The factors of an update (Kingma and Ba, 2015, algorithm 1; Loshchilov and Hutter, 2019, algorithm 2).
#[derive(Debug, Clone, Copy)]
pub struct Adam {
    /// Multiplies every gradient.
    pub gradient_scale: f32,
    /// Multiplies every parameter first: 1 less the decoupled decay.
    pub keep: f32,
    /// What is added to the gradient for each unit of the parameter: decay that is not decoupled.
    pub decay: f32,
    /// 1 less beta1.
    pub first_share: f32,
    /// beta2.
    pub second_keep: f32,
    /// 1 less beta2.
    pub second_share: f32,
    /// Corrects the bias of the second moment's root.
    pub root_scale: f32,
    /// Added to the root.
    pub epsilon: f32,
    /// The learning rate, with the correction of the first moment's bias.
    pub rate: f32,
}

impl Adam {
    /// Makes an update in place.
    ///
    /// Every operation is rounded by itself, in the order of `transformer/optimizer.py`: bits are equal.
    ///
    /// # Panics
    /// If there are not as many of each.
    pub fn update(
        self,
        param: &mut [f32],
        gradient: &[f32],
        first: &mut [f32],
        second: &mut [f32],
    ) {
        assert_eq!(
            [param.len(); 3],
            [gradient.len(), first.len(), second.len()],
            "all must be as many"
        );
        Arch::new().dispatch(Update { adam: self, param, gradient, first, second });
    }
}

struct Update<'a> {
    adam: Adam,
    param: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl WithSimd for Update<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let a = self.adam;
        let moments = self.first.iter_mut().zip(self.second);
        for ((param, gradient), (first, second)) in
            self.param.iter_mut().zip(self.gradient).zip(moments)
        {
            let kept = *param * a.keep;
            let scaled = gradient * a.gradient_scale;
            // An infinite parameter times nothing would be no number.
            let scaled = if a.decay == 0.0 { scaled } else { scaled + kept * a.decay };
            *first += (scaled - *first) * a.first_share;
            *second = *second * a.second_keep + scaled * scaled * a.second_share;
            let root = second.sqrt() * a.root_scale + a.epsilon;
            *param = kept - *first / root * a.rate;
        }
    }
}
