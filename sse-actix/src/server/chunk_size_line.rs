//! The line in front of a chunk ([RFC 9112, 7.1](https://www.rfc-editor.org/rfc/rfc9112#section-7.1)).

/// The line before a chunk's bytes.
#[derive(Default)]
pub(super) struct ChunkSizeLine([u8; 18]);

impl ChunkSizeLine {
    pub(super) fn of(&mut self, len: usize) -> &[u8] {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

        // Written by hand: the formatter takes as long as all the rest of a write.
        let digits = (usize::BITS - len.leading_zeros()).div_ceil(4).max(1);
        let shifts = (0..digits).rev().map(|digit| digit * 4);
        let digits = shifts.filter_map(|shift| DIGITS.get(len >> shift & 0xF).copied());
        let mut written = 0;
        for (byte, free) in digits.chain(*b"\r\n").zip(&mut self.0) {
            *free = byte;
            written += 1;
        }
        self.0.get(..written).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::ChunkSizeLine;

    #[test]
    fn a_chunk_says_its_length_in_hexadecimal() {
        for len in [
            0,
            1,
            9,
            10,
            15,
            16,
            17,
            255,
            256,
            4_095,
            65_536,
            0x1234_ABCD,
            usize::MAX,
        ] {
            assert_eq!(
                ChunkSizeLine::default().of(len),
                format!("{len:X}\r\n").as_bytes()
            );
        }
    }
}
