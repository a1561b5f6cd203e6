use bytes::{Buf as _, Bytes};
use sse_actix_core::Record;

/// One event of an entry.
pub(super) type Event = Record;

/// Appends an event to a payload.
pub(crate) fn push_event(payload: &mut Vec<u8>, record: &Record) {
    let (body, key) = (record.body(), record.key_str());
    payload.extend_from_slice(body.len().to_string().as_bytes());
    payload.push(b' ');
    match key {
        Some(key) => payload.extend_from_slice(key.len().to_string().as_bytes()),
        None => payload.push(b'-'),
    }
    payload.push(b'\n');
    payload.extend_from_slice(key.unwrap_or_default().as_bytes());
    payload.extend_from_slice(body);
}

/// Parses a payload with this number of events; `None` if it is not valid.
pub(super) fn parse(mut payload: Bytes, events: usize) -> Option<Vec<Event>> {
    let mut records = Vec::with_capacity(events.min(super::MAX_BATCH));
    while !payload.is_empty() {
        records.push(take_event(&mut payload)?);
    }
    (records.len() == events).then_some(records)
}

/// The next event; `None` if it is not valid.
fn take_event(payload: &mut Bytes) -> Option<Event> {
    let line = memchr::memchr(b'\n', payload)?;
    let head = payload.split_to(line);
    payload.advance(1);
    let (length, key_length) = std::str::from_utf8(&head).ok()?.split_once(' ')?;
    let key = match key_length {
        "-" => None,
        length => {
            let key = take(payload, length)?;
            Some(String::from_utf8(key.to_vec()).ok()?)
        }
    };
    let record = Record::from_body(take(payload, length)?).ok()?;
    Some(match key {
        Some(key) => record.key(key),
        None => record,
    })
}

fn take(payload: &mut Bytes, length: &str) -> Option<Bytes> {
    let length = length.parse().ok()?;
    (length <= payload.len()).then(|| payload.split_to(length))
}

#[cfg(test)]
mod tests {
    use sse_actix_core::Event;

    use super::*;

    #[test]
    fn what_was_pushed_is_read() {
        let record = |text| Record::event(&Event::data(text), None).unwrap();
        let records = vec![record("a\nb"), record("7 -\n").key("käy 1\n"), record("").key("")];
        let mut payload = Vec::new();
        for record in &records {
            push_event(&mut payload, record);
        }
        assert!(payload.starts_with(b"17 -\ndata: a\ndata: b\n\n"));
        let payload = Bytes::from(payload);
        assert_eq!(parse(payload.clone(), 3), Some(records));
        assert_eq!(parse(payload.clone(), 2), None, "another number of events");
        for end in 1..payload.len() {
            assert_eq!(parse(payload.slice(..end), 3), None, "cut at {end}");
        }
    }

    #[test]
    fn what_is_no_event_is_not_read() {
        for wrong in [
            "17 -data: a\n\n",
            "9 -\nid: 7\ndata: a\n\n",
            "999999999999999999999 -\ndata: a\n\n",
            "9 99\ndata: a\n\n",
            "data: a\n\n",
        ] {
            assert_eq!(parse(Bytes::from_static(wrong.as_bytes()), 1), None, "{wrong:?}");
        }
    }
}
