//! How learned state becomes bytes and comes back: fixed order, little-endian. It must not know what the
//! numbers mean; whoever changes an order raises the version in `snapshot`.

use model::UnixMs;

/// Appends numbers.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn bytes<const N: usize>(&mut self, bytes: [u8; N]) {
        self.0.extend_from_slice(&bytes);
    }

    pub(crate) fn f64(&mut self, value: f64) {
        self.bytes(value.to_le_bytes());
    }

    pub(crate) fn f32(&mut self, value: f32) {
        self.bytes(value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(value.to_le_bytes());
    }

    pub(crate) fn time(&mut self, value: UnixMs) {
        self.bytes(value.0.to_le_bytes());
    }

    pub(crate) fn f64s<const N: usize>(&mut self, values: [f64; N]) {
        for value in values {
            self.f64(value);
        }
    }

    pub(crate) fn f32s<const N: usize>(&mut self, values: [f32; N]) {
        for value in values {
            self.f32(value);
        }
    }

    pub(crate) fn times<const N: usize>(&mut self, values: [UnixMs; N]) {
        for value in values {
            self.time(value);
        }
    }

    pub(crate) fn maybe<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.bytes([u8::from(value.is_some())]);
        if let Some(value) = value {
            write(self, value);
        }
    }
}

/// Takes numbers off the front; `None` where the bytes end or cannot be.
#[derive(Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    pub(crate) fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    pub(crate) fn f64(&mut self) -> Option<f64> {
        self.bytes().map(f64::from_le_bytes)
    }

    pub(crate) fn f32(&mut self) -> Option<f32> {
        self.bytes().map(f32::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    pub(crate) fn time(&mut self) -> Option<UnixMs> {
        self.bytes().map(|bytes| UnixMs(i64::from_le_bytes(bytes)))
    }

    #[expect(
        clippy::option_option,
        reason = "nothing that was written is not the end of the bytes"
    )]
    pub(crate) fn maybe<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.bytes()? {
            [0] => Some(None),
            [1] => read(self).map(Some),
            _ => None,
        }
    }
}
