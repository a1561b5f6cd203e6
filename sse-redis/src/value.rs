//! Values as Redis returns them.

use redis::Value;

/// A value has another form than the call returns.
#[derive(Debug)]
pub(crate) struct Unexpected;

/// The elements of an array; of a map, keys and values in turn.
pub(crate) fn items(value: Value) -> Result<Vec<Value>, Unexpected> {
    match value {
        Value::Array(items) => Ok(items),
        Value::Map(pairs) => Ok(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()),
        Value::Nil => Ok(Vec::new()),
        _ => Err(Unexpected),
    }
}

pub(crate) fn array<const N: usize>(value: Value) -> Result<[Value; N], Unexpected> {
    items(value)?.try_into().map_err(|_| Unexpected)
}

pub(crate) fn bytes(value: Value) -> Result<Vec<u8>, Unexpected> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        _ => Err(Unexpected),
    }
}

pub(crate) fn text(value: Value) -> Result<String, Unexpected> {
    String::from_utf8(bytes(value)?).map_err(|_| Unexpected)
}

/// A stream's key, and its entries.
pub(crate) type Stream = (Vec<u8>, Vec<Value>);

/// Streams, each with its entries, as XREAD returns them: as pairs, or as a map.
pub(crate) fn streams(value: Value) -> Result<Vec<Stream>, Unexpected> {
    let stream = |key, entries| Ok((bytes(key)?, items(entries)?));
    match value {
        Value::Map(pairs) => pairs
            .into_iter()
            .map(|(key, entries)| stream(key, entries))
            .collect(),
        other => items(other)?
            .into_iter()
            .map(|pair| {
                let [key, entries] = array(pair)?;
                stream(key, entries)
            })
            .collect(),
    }
}
