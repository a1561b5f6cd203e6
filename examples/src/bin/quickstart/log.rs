use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use sse_actix::{Event, EventId};

use crate::position::{Chunk, Position};

/// How many of the newest lines a reader without a position gets.
const NEWEST: usize = 100;
const MOST_LINES_AT_ONCE: usize = 1000;
const CHUNK: usize = 64 * 1024;
/// A longer line is sent in pieces of this length.
const MAX_LINE_LEN: usize = 1024 * 1024;

/// One reader's view of a log file. The file may grow, be truncated, or be moved away and created again.
///
/// A line becomes an event once its line break is written. The event's id is the [`Position`] after the line. If the
/// path leads to another text than the position's, the reader first reads the rest of the old file, if it is still
/// open. Then comes an event named `replaced`, then the new file from its start.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: Option<File>,
    position: Option<Position>,
}

impl Log {
    /// Begins after the event with this id. Without an id, or with an id that is no position, begins at the newest
    /// lines.
    pub(crate) fn open(path: &Path, last_event_id: Option<&str>) -> Self {
        let position = last_event_id.and_then(Position::parse);
        Self {
            path: path.to_owned(),
            file: None,
            position,
        }
    }

    /// The next events. The list is empty if nothing was written meanwhile.
    pub(crate) fn read(&mut self) -> io::Result<Vec<Event>> {
        let found = match File::open(&self.path) {
            Ok(found) => found,
            // The file was moved away and is not created again yet. The old file may still grow.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.lines(PartialLine::Keep),
            Err(error) => return Err(error),
        };
        let Some(position) = self.position else {
            self.position = Some(Position::of_newest(NEWEST, CHUNK, &found)?);
            self.file = Some(found);
            return self.lines(PartialLine::Keep);
        };
        if position.chunk(&found, 0)?.is_some() {
            self.file = Some(found);
            return self.lines(PartialLine::Keep);
        }
        if found.metadata()?.len() == 0 {
            // The writer may not have noticed yet that the old file was moved away.
            return self.lines(PartialLine::Keep);
        }
        let rest = self.lines(PartialLine::Send)?;
        if !rest.is_empty() {
            return Ok(rest);
        }
        self.position = Some(Position::start_of(&found)?);
        self.file = Some(found);
        let mut events = vec![Event::data("").event("replaced")];
        events.append(&mut self.lines(PartialLine::Keep)?);
        Ok(events)
    }

    /// The next lines of the open file.
    fn lines(&mut self, partial_line: PartialLine) -> io::Result<Vec<Event>> {
        let mut events = Vec::new();
        let (Some(file), Some(position)) = (&self.file, &mut self.position) else {
            return Ok(events);
        };
        let Some(mut chunk) = position.chunk(file, CHUNK)? else {
            return Ok(events);
        };
        if chunk.is_full() && !chunk.rest().contains(&b'\n') {
            let longer = position.chunk(file, MAX_LINE_LEN)?;
            chunk = longer.unwrap_or(chunk);
        }
        while let Some(line) = next_line(&chunk, partial_line)
            && events.len() < MOST_LINES_AT_ONCE
        {
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let event = Event::data(String::from_utf8_lossy(text));
            *position = chunk.advance(line.len());
            events.push(event.id(EventId::try_from(position.to_string()).map_err(io::Error::other)?));
        }
        Ok(events)
    }
}

/// What to do with a line at the end of the file that has no line break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PartialLine {
    /// Wait, because the rest of the line may be written later.
    Keep,
    /// Send it, because this file is not read any more.
    Send,
}

/// The next line, with its line break.
fn next_line(chunk: &Chunk, partial_line: PartialLine) -> Option<&[u8]> {
    let rest = chunk.rest();
    let line = rest.split_inclusive(|byte| *byte == b'\n').next()?;
    if line.ends_with(b"\n") || (partial_line == PartialLine::Send && !chunk.is_full()) {
        return Some(line);
    }
    (line.len() >= MAX_LINE_LEN).then(|| whole_characters(line))
}

/// The piece without its last character, if that may be incomplete.
fn whole_characters(piece: &[u8]) -> &[u8] {
    let starts = |byte: &u8| byte & 0xC0 != 0x80;
    match piece
        .iter()
        .rposition(starts)
        .and_then(|start| piece.split_at_checked(start))
    {
        Some((whole, [0xC0..=0xFF, tail @ ..])) if tail.len() < 4 => whole,
        _ => piece,
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use sse_actix::Frame;
    use tempfile::TempDir;

    use super::*;

    /// A folder for a log file, and readers of it.
    struct Scene(TempDir);

    impl Scene {
        fn with(text: impl AsRef<[u8]>) -> Self {
            let scene = Self(tempfile::tempdir().unwrap());
            fs::write(scene.path(), text).unwrap();
            scene
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("a.log")
        }

        fn append(&self, text: impl AsRef<[u8]>) {
            let mut file = File::options().append(true).open(self.path()).unwrap();
            file.write_all(text.as_ref()).unwrap();
        }

        fn rotate(&self) -> File {
            let moved = self.0.path().join("a.log.1");
            fs::rename(self.path(), &moved).unwrap();
            File::options().append(true).open(moved).unwrap()
        }

        fn reader(&self, last_event_id: Option<&str>) -> Reader {
            let log = Log::open(&self.path(), last_event_id);
            Reader {
                log,
                id: last_event_id.map(str::to_owned),
            }
        }
    }

    /// What a browser knows.
    struct Reader {
        log: Log,
        id: Option<String>,
    }

    impl Reader {
        /// Data of the next events, or their name where they have one.
        fn read(&mut self) -> Vec<String> {
            let events = self.log.read().unwrap();
            let frames = events.into_iter().map(|event| Frame::from(event).into_bytes());
            let texts = frames.map(|frame| String::from_utf8(frame.to_vec()).unwrap());
            texts.map(|text| self.dispatch(&text)).collect()
        }

        fn dispatch(&mut self, frame: &str) -> String {
            let field = |name| {
                let values = frame
                    .lines()
                    .filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                let values: Vec<_> = values
                    .map(|value| value.strip_prefix(' ').unwrap_or(value))
                    .collect();
                (!values.is_empty()).then(|| values.join("\n"))
            };
            self.id = field("id").or(self.id.take());
            field("event").or(field("data")).unwrap()
        }
    }

    const NOTHING: [&str; 0] = [];

    #[test]
    fn a_line_is_given_once_and_when_it_is_finished() {
        let scene = Scene::with("one\ntw");
        let mut reader = scene.reader(None);
        assert_eq!(reader.read(), ["one"]);
        assert_eq!(reader.read(), NOTHING);
        scene.append("o\n\nfour\r\nfi");
        assert_eq!(reader.read(), ["two", "", "four"]);
        scene.append("ve\n");
        assert_eq!(reader.read(), ["five"]);
    }

    #[test]
    fn an_id_resumes_behind_its_line_in_another_process() {
        let scene = Scene::with("one\ntwo\nthr");
        let mut first = scene.reader(None);
        assert_eq!(first.read(), ["one", "two"]);
        scene.append("ee\nfour\n");
        let mut second = scene.reader(first.id.as_deref());
        assert_eq!(second.read(), ["three", "four"]);
        let mut third = scene.reader(second.id.as_deref());
        assert_eq!(third.read(), NOTHING);
    }

    #[test]
    fn every_id_resumes_behind_its_own_line() {
        let lines: Vec<_> = (0..50).map(|n| format!("line {n} {}", "x".repeat(n))).collect();
        let scene = Scene::with(lines.join("\n") + "\n");
        let mut reader = scene.reader(None);
        let events = reader.log.read().unwrap();
        for (n, event) in events.into_iter().enumerate() {
            reader.dispatch(std::str::from_utf8(&Frame::from(event)).unwrap());
            assert_eq!(scene.reader(reader.id.as_deref()).read(), lines[n + 1..]);
        }
    }

    #[test]
    fn a_file_that_shrank_is_read_from_its_start() {
        let scene = Scene::with("one\ntwo\n");
        let mut reader = scene.reader(None);
        reader.read();
        fs::write(scene.path(), "").unwrap();
        assert_eq!(reader.read(), NOTHING);
        scene.append("neo\n");
        assert_eq!(reader.read(), ["replaced", "neo"]);
        assert_eq!(reader.read(), NOTHING);
    }

    #[test]
    fn a_file_that_shrank_and_has_grown_again_is_read_from_its_start() {
        let scene = Scene::with("one\ntwo\n");
        let mut reader = scene.reader(None);
        reader.read();
        fs::write(scene.path(), "eno\nowt\neerht\n").unwrap();
        let mut later = scene.reader(reader.id.as_deref());
        for reader in [&mut reader, &mut later] {
            assert_eq!(reader.read(), ["replaced", "eno", "owt", "eerht"]);
        }
    }

    #[test]
    fn a_file_that_is_moved_away_is_read_to_its_end_first() {
        let scene = Scene::with("one\n");
        let mut reader = scene.reader(None);
        reader.read();
        scene.append("two\n");
        let mut moved = scene.rotate();
        assert_eq!(reader.read(), ["two"]);
        fs::write(scene.path(), "").unwrap();
        moved.write_all(b"three\nunfin").unwrap();
        assert_eq!(reader.read(), ["three"]);
        scene.append("one\nfour\n");
        assert_eq!(reader.read(), ["unfin"]);
        assert_eq!(reader.read(), ["replaced", "one", "four"]);
        assert_eq!(scene.reader(reader.id.as_deref()).read(), NOTHING);
    }

    #[test]
    fn a_file_moved_away_while_nobody_read_is_told_from_one_with_the_same_text() {
        let scene = Scene::with("same\n");
        let mut reader = scene.reader(None);
        reader.read();
        scene.rotate();
        fs::write(scene.path(), "same\n").unwrap();
        assert_eq!(scene.reader(reader.id.as_deref()).read(), ["replaced", "same"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_such() {
        let scene = Scene::with(b"a\xFFb\r\xF0\x9F\x98\n\0\n");
        assert_eq!(scene.reader(None).read(), ["a\u{FFFD}b\n\u{FFFD}", "\0"]);
    }

    #[test]
    fn a_new_reader_is_given_the_newest_lines() {
        let lines: Vec<_> = (0..NEWEST + 20).map(|n| n.to_string()).collect();
        let scene = Scene::with(lines.join("\n") + "\nunfinished");
        let mut reader = scene.reader(None);
        assert_eq!(reader.read(), lines[20..]);
        assert_eq!(Scene::with("").reader(None).read(), NOTHING);
        assert_eq!(Scene::with("x").reader(None).read(), NOTHING);
        assert_eq!(Scene::with("\n".repeat(NEWEST)).reader(None).read().len(), NEWEST);
    }

    #[test]
    fn a_long_backlog_is_given_in_parts_and_whole() {
        let lines: Vec<_> = (0..3 * MOST_LINES_AT_ONCE).map(|n| n.to_string()).collect();
        let scene = Scene::with("start\n");
        let mut reader = scene.reader(None);
        reader.read();
        scene.append(lines.join("\n") + "\n");
        let mut read = Vec::new();
        while read.len() < lines.len() {
            let part = reader.read();
            assert!((1..=MOST_LINES_AT_ONCE).contains(&part.len()));
            read.extend(part);
        }
        assert_eq!(read, lines);
    }

    #[test]
    fn a_line_too_long_is_given_in_pieces_of_whole_characters() {
        let scene = Scene::with("");
        let mut reader = scene.reader(None);
        assert_eq!(reader.read(), NOTHING);
        let long = format!("a{}", "😀".repeat(MAX_LINE_LEN / 4 * 2 + 100));
        scene.append(&long);
        let mut pieces = [reader.read(), reader.read()].concat();
        assert!(pieces.iter().all(|piece| piece.len() <= MAX_LINE_LEN));
        assert_eq!(reader.read(), NOTHING);
        scene.append("\n");
        pieces.extend(reader.read());
        assert_eq!((pieces.len(), pieces.concat() == long), (3, true));
    }

    #[test]
    fn an_id_that_was_never_given_out_is_as_none() {
        let scene = Scene::with("one\n");
        for id in [
            "",
            "-",
            "1-2",
            "1-x-3",
            "1-2-3-4",
            "ünï",
            "99999999999999999999-1-1",
        ] {
            assert_eq!(scene.reader(Some(id)).read(), ["one"], "{id:?}");
        }
        let mut reader = scene.reader(None);
        reader.read();
        let far = reader.id.unwrap().replace("-4-", &format!("-{}-", u64::MAX));
        assert_eq!(scene.reader(Some(&far)).read(), ["replaced", "one"]);
    }

    #[test]
    fn a_file_that_is_away_for_a_while_is_waited_for() {
        let scene = Scene::with("one\n");
        let mut reader = scene.reader(None);
        reader.read();
        fs::remove_file(scene.path()).unwrap();
        assert_eq!(reader.read(), NOTHING);
        assert_eq!(scene.reader(reader.id.as_deref()).read(), NOTHING);
        assert_eq!(scene.reader(None).read(), NOTHING);
        fs::write(scene.path(), "two\n").unwrap();
        assert_eq!(reader.read(), ["replaced", "two"]);
    }
}
