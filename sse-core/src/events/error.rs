use std::{error::Error, fmt};

use crate::EventName;

/// A received event does not match any variant of the enum.
///
/// ```
/// use sse_actix_core::DecodeEventError;
/// # use sse_actix_core::{EventName, SseEvents};
/// # #[derive(serde::Serialize, serde::Deserialize, Debug)]
/// # #[serde(rename_all = "lowercase")]
/// # enum Market { Price(f64) }
/// # impl SseEvents for Market {
/// #     const NAMES: &'static [EventName] = &[EventName::from_static("price")];
/// #     fn event_name(&self) -> &EventName { &Self::NAMES[0] }
/// # }
///
/// let error = Market::decode("price", "\"high\"").unwrap_err();
/// assert!(matches!(&error, DecodeEventError::Data { name, .. } if name == "price"));
/// assert!(error.to_string().starts_with("the data of `price` does not have the type of that event: invalid type: string"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum DecodeEventError {
    /// No variant has its name.
    Name {
        /// The name.
        name: String,
        /// The names of the enum's variants.
        known: &'static [EventName],
    },
    /// Its data is not JSON of the type that the event of this name has.
    Data {
        /// The name.
        name: String,
        /// The error in the data, and its place.
        source: serde_json::Error,
    },
}

impl DecodeEventError {
    pub(super) fn name(name: &str, known: &'static [EventName]) -> Self {
        Self::Name {
            name: name.to_owned(),
            known,
        }
    }

    pub(super) fn data(name: &str, source: serde_json::Error) -> Self {
        Self::Data {
            name: name.to_owned(),
            source,
        }
    }
}

impl fmt::Display for DecodeEventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name, known } => {
                write!(f, "no event is called `{name}`: there are ")?;
                for (at, known) in known.iter().enumerate() {
                    write!(f, "{}`{known}`", if at > 0 { ", " } else { "" })?;
                }
                Ok(())
            }
            Self::Data { name, source } => {
                write!(
                    f,
                    "the data of `{name}` does not have the type of that event: {source}"
                )
            }
        }
    }
}

impl Error for DecodeEventError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Name { .. } => None,
            Self::Data { source, .. } => Some(source),
        }
    }
}
