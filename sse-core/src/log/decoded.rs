use std::{any::Any, sync::OnceLock};

/// The decoded values of an entry: one for each type, made once for all readers.
#[derive(Default)]
pub(super) struct Decoded(OnceLock<Box<Known>>);

struct Known {
    value: Box<dyn Any + Send + Sync>,
    /// The values of types that were requested later.
    others: Decoded,
}

impl Decoded {
    /// The value of type `V`; it is made if there is none yet.
    pub(super) fn get_or_make<V: Send + Sync + 'static>(&self, mut make: impl FnMut() -> V) -> &V {
        let mut place = self;
        loop {
            let known = place.0.get_or_init(|| {
                Box::new(Known {
                    value: Box::new(make()),
                    others: Self::default(),
                })
            });
            if let Some(value) = known.value.downcast_ref() {
                return value;
            }
            place = &known.others;
        }
    }
}
