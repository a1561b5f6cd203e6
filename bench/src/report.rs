//! Alternating rounds, and the medians of their results.

/// The median. If the number of values is even, it is the higher one of the two in the middle.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The results of all contenders in all rounds: `samples[contender][round]`.
#[derive(Debug)]
pub struct Samples<T>(Vec<Vec<T>>);

impl<T> Samples<T> {
    /// Runs every contender once in each round, in an order that rotates, so that other load on the machine affects all
    /// of them. An additional first round warms up, and its results are left out.
    ///
    /// # Errors
    ///
    /// The first error that `run` returns.
    pub fn interleave<E>(
        contenders: usize,
        rounds: usize,
        mut run: impl FnMut(usize) -> Result<T, E>,
    ) -> Result<Self, E> {
        let mut samples: Vec<Vec<T>> = (0..contenders).map(|_| Vec::with_capacity(rounds)).collect();
        for round in 0..=rounds {
            for turn in 0..contenders {
                let contender = (round + turn) % contenders;
                let sample = run(contender)?;
                if let Some(samples) = samples.get_mut(contender).filter(|_| round > 0) {
                    samples.push(sample);
                }
            }
        }
        Ok(Self(samples))
    }

    /// The median of a figure of one contender.
    pub fn median(&self, contender: usize, figure: impl Fn(&T) -> f64) -> f64 {
        median(self.of(contender).iter().map(figure))
    }

    /// Computes `make` of two contenders' figures within each round, for example their ratio. Returns the median of all
    /// rounds.
    pub fn compared(
        &self,
        one: usize,
        other: usize,
        figure: impl Fn(&T) -> f64,
        make: impl Fn(f64, f64) -> f64,
    ) -> f64 {
        let rounds = self.of(one).iter().zip(self.of(other));
        median(rounds.map(|(one, other)| make(figure(one), figure(other))))
    }

    fn of(&self, contender: usize) -> &[T] {
        self.0.get(contender).map_or(&[], Vec::as_slice)
    }
}

/// Converts a count into a floating-point number.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub fn number(count: u64) -> f64 {
    count as f64
}

/// The number of rounds: the program's first argument, or `default`.
///
/// # Errors
///
/// If the argument is not a number from 1 to 1000.
pub fn rounds(default: usize) -> Result<usize, String> {
    match std::env::args().nth(1).map(|text| (text.parse(), text)) {
        None => Ok(default),
        Some((Ok(rounds @ 1..=1000), _)) => Ok(rounds),
        Some((_, text)) => Err(format!("`{text}` is not a number of rounds from 1 to 1000")),
    }
}
