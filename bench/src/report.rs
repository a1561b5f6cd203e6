//! Interleaved rounds, and what is made of them.

/// The middle value; of two, the higher.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What every contender gave in every round: `samples[contender][round]`.
#[derive(Debug)]
pub struct Samples<T>(Vec<Vec<T>>);

impl<T> Samples<T> {
    /// Runs every contender once a round, in an order that rotates, so that whatever else the machine
    /// does meets all of them. The first round warms up and is left out.
    ///
    /// # Errors
    ///
    /// The first error of a contender.
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

    /// The median of one contender's figure.
    pub fn median(&self, contender: usize, figure: impl Fn(&T) -> f64) -> f64 {
        median(self.of(contender).iter().map(figure))
    }

    /// The median, over the rounds, of what two contenders' figures make together within one round.
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

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub fn number(count: u64) -> f64 {
    count as f64
}

/// The first argument as a number of rounds.
///
/// # Errors
///
/// If it is none.
pub fn rounds(default: usize) -> Result<usize, String> {
    match std::env::args().nth(1).map(|text| (text.parse(), text)) {
        None => Ok(default),
        Some((Ok(rounds @ 1..=1000), _)) => Ok(rounds),
        Some((_, text)) => Err(format!("`{text}` is no number of rounds between 1 and 1000")),
    }
}
