//! What a topic has in Redis, and what other programs do to it.

use redis::{Value, cmd};
use sse_tests::redis::Redis;

/// An entry of a stream: its fields with their values.
pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// The keys of a topic, whose name no other key may hold.
pub(crate) fn keys_of(redis: &Redis, topic: &str) -> Vec<String> {
    redis.ask(cmd("KEYS").arg(format!("*{topic}*")))
}

/// The stream of a topic.
pub(crate) fn stream_of(redis: &Redis, topic: &str) -> String {
    let keys = keys_of(redis, topic);
    let is_stream = |key: &&String| redis.ask::<String>(cmd("TYPE").arg(key.as_str())) == "stream";
    let stream = keys.iter().find(is_stream);
    stream
        .unwrap_or_else(|| panic!("{topic} has no stream: {keys:?}"))
        .clone()
}

/// Appends an entry.
pub(crate) fn append(redis: &Redis, stream: &str, fields: &Fields) {
    let mut call = cmd("XADD");
    call.arg(stream).arg("*");
    for (field, value) in fields {
        call.arg(field).arg(value);
    }
    redis.ask::<()>(&call);
}

/// The newest entry of a stream.
pub(crate) fn newest(redis: &Redis, stream: &str) -> Fields {
    let call = cmd("XREVRANGE")
        .arg(stream)
        .arg("+")
        .arg("-")
        .arg("COUNT")
        .arg(1)
        .clone();
    let entries: Vec<(String, Vec<Vec<u8>>)> = redis.ask(&call);
    let (_, fields) = entries.into_iter().next().unwrap();
    let pairs = fields
        .chunks_exact(2)
        .map(|pair| (pair[0].clone(), pair[1].clone()));
    pairs.collect()
}

/// Copies of an entry of ours, each with one fault in one field.
pub(crate) fn faulty(entry: &Fields) -> Vec<Fields> {
    let mut copies = Vec::new();
    for at in 0..entry.len() {
        let value = &entry[at].1;
        let half = value[..value.len() / 2].to_vec();
        for wrong in [
            b"".to_vec(),
            b"-1".to_vec(),
            b"no number".to_vec(),
            vec![0xff; 40],
            half,
        ] {
            let mut copy = entry.clone();
            copy[at].1 = wrong;
            copies.push(copy);
        }
        let mut copy = entry.clone();
        copy.remove(at);
        // Redis takes no entry without a field.
        copy.push((b"unknown".to_vec(), b"1".to_vec()));
        copies.push(copy);
    }
    copies
}

/// Puts something that is no stream where a key is.
pub(crate) fn replace(redis: &Redis, key: &str, kind: &str) {
    redis.ask::<()>(cmd("DEL").arg(key));
    let _: Value = match kind {
        "string" => redis.ask(cmd("SET").arg(key).arg("foreign")),
        "hash" => redis.ask(cmd("HSET").arg(key).arg("foreign").arg("1")),
        "list" => redis.ask(cmd("RPUSH").arg(key).arg("foreign")),
        "set" => redis.ask(cmd("SADD").arg(key).arg("foreign")),
        kind => panic!("no {kind}"),
    };
}
