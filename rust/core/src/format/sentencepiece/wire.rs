//! The wire form of protocol buffers: fields one after the other, each a number, a type and a value.
//!
//! Every length is held against what is left of the data before anything is made of it; nothing is allocated here.

use crate::error::{Error, Result};
use crate::format::sentencepiece::FORMAT;

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'d> {
    /// Numbers and truth values.
    Varint(u64),
    /// Eight bytes.
    Fixed64,
    /// Texts, bytes, messages.
    Bytes(&'d [u8]),
    /// Four bytes, little-endian.
    Fixed32(u32),
}

/// A field with its bytes as they stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'d> {
    pub(super) number: u32,
    pub(super) value: Value<'d>,
    pub(super) raw: &'d [u8],
}

/// The fields of a message, which stands at `place` in the file.
pub(super) struct Fields<'d> {
    data: &'d [u8],
    place: &'d str,
}

impl<'d> Fields<'d> {
    pub(super) fn new(data: &'d [u8], place: &'d str) -> Self {
        Self { data, place }
    }

    fn broken(&self, problem: &str) -> Error {
        Error::format(FORMAT, self.place, problem)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let Some((&byte, rest)) = self.data.split_first() else {
                return Err(self.broken("ends within a number"));
            };
            self.data = rest;
            if shift == 63 && byte > 1 {
                return Err(self.broken("holds a number of more than 64 bits"));
            }
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.broken("holds a number of more than 64 bits"))
    }

    fn take(&mut self, n_bytes: u64) -> Result<&'d [u8]> {
        let n_left = self.data.len();
        let split = usize::try_from(n_bytes).ok().and_then(|n| self.data.split_at_checked(n));
        let Some((taken, rest)) = split else {
            let problem = format!("a field says it is {n_bytes} bytes long, but {n_left} are left");
            return Err(self.broken(&problem));
        };
        self.data = rest;
        Ok(taken)
    }

    fn read_field(&mut self) -> Result<Field<'d>> {
        let start = self.data;
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|&number| number > 0 && number < 1 << 29);
        let number = number.ok_or_else(|| self.broken("holds a field without a valid number"))?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed64)?,
            2 => {
                let n_bytes = self.varint()?;
                Value::Bytes(self.take(n_bytes)?)
            }
            5 => {
                let bytes = self.take(4)?;
                Value::Fixed32(
                    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte)),
                )
            }
            kind => {
                let problem = format!("field {number} is of type {kind}, which does not exist");
                return Err(self.broken(&problem));
            }
        };
        let n_bytes = start.len() - self.data.len();
        Ok(Field { number, value, raw: start.get(..n_bytes).unwrap_or_default() })
    }
}

impl<'d> Iterator for Fields<'d> {
    type Item = Result<Field<'d>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.data.is_empty() {
            return None;
        }
        let field = self.read_field();
        if field.is_err() {
            self.data = &[];
        }
        Some(field)
    }
}

impl<'d> Field<'d> {
    fn wrong(&self, place: &str, kind: &str) -> Error {
        Error::format(FORMAT, place, format!("field {} must be {kind}", self.number))
    }

    pub(super) fn bytes(&self, place: &str) -> Result<&'d [u8]> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(self.wrong(place, "of bytes")),
        }
    }

    pub(super) fn text(&self, place: &str) -> Result<&'d str> {
        let bytes = self.bytes(place)?;
        std::str::from_utf8(bytes).map_err(|_| self.wrong(place, "valid UTF-8"))
    }

    pub(super) fn number(&self, place: &str) -> Result<u64> {
        match self.value {
            Value::Varint(value) => Ok(value),
            _ => Err(self.wrong(place, "a number")),
        }
    }

    pub(super) fn truth(&self, place: &str) -> Result<bool> {
        Ok(self.number(place)? != 0)
    }

    pub(super) fn float(&self, place: &str) -> Result<f32> {
        match self.value {
            Value::Fixed32(bits) => Ok(f32::from_bits(bits)),
            _ => Err(self.wrong(place, "a 32-bit number")),
        }
    }
}

/// Writes a number.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7F).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Writes a field of bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_varint(out, u64::from(number << 3 | 2));
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Writes a field that is a number; one below zero as its two's complement.
pub(super) fn put_number(out: &mut Vec<u8>, number: u32, value: i64) {
    put_varint(out, u64::from(number << 3));
    put_varint(out, value.cast_unsigned());
}

/// Writes a field that is a 32-bit floating-point number.
pub(super) fn put_float(out: &mut Vec<u8>, number: u32, value: f32) {
    put_varint(out, u64::from(number << 3 | 5));
    out.extend_from_slice(&value.to_le_bytes());
}
