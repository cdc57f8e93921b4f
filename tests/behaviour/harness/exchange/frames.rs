//! HTTP/2 frames written by hand (RFC 9113 §4.1), for clients that do what no library would.

use super::Wire;

/// The kinds of frames that tests send or look for (RFC 9113 §6).
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const CONTINUATION: u8 = 9;
}

/// The flag of DATA and HEADERS that ends a stream.
pub(crate) const END_STREAM: u8 = 0x1;
/// The flag of HEADERS and CONTINUATION that ends a head.
pub(crate) const END_HEADERS: u8 = 0x4;

/// How a connection begins: the preface and empty settings (RFC 9113 §3.4).
pub(crate) fn preface() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(kind::SETTINGS, 0, 0, &[]));
    bytes
}

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A head as HPACK without compression: every field literal, nothing indexed (RFC 7541 §6.2.2).
pub(crate) fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        text(name.as_bytes(), &mut bytes);
        text(value.as_bytes(), &mut bytes);
    }
    bytes
}

/// What came back for one stream, as far as tests care.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The stream was reset, or the connection given up.
    Broken,
    /// A reply came; its head begins with this byte, `0x88` for 200 and `0x8c` for 400 (RFC 7541 §A).
    Replied(u8),
}

/// Reads frames until a stream is decided.
pub(crate) async fn outcome(wire: &mut Wire, stream: u32) -> Outcome {
    loop {
        let Some((kind, about, payload)) = next(wire).await else {
            return Outcome::Broken;
        };
        match kind {
            kind::GOAWAY => return Outcome::Broken,
            kind::RST_STREAM if about == stream => return Outcome::Broken,
            kind::HEADERS if about == stream => return Outcome::Replied(payload[0]),
            _ => {}
        }
    }
}

/// Reads one frame: its kind, stream and payload; nothing at the end of the connection.
pub(crate) async fn next(wire: &mut Wire) -> Option<(u8, u32, Vec<u8>)> {
    let head = wire.exactly(9).await?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
    let payload = wire.exactly(usize::try_from(length).unwrap()).await?;
    Some((head[3], stream, payload))
}

/// A string, not Huffman-coded (RFC 7541 §5.2), its length in a seven-bit prefix (§5.1).
fn text(string: &[u8], bytes: &mut Vec<u8>) {
    let mut length = string.len();
    if length < 127 {
        bytes.push(u8::try_from(length).unwrap());
    } else {
        bytes.push(127);
        length -= 127;
        while length >= 128 {
            bytes.push(u8::try_from(length % 128).unwrap() | 0x80);
            length /= 128;
        }
        bytes.push(u8::try_from(length).unwrap());
    }
    bytes.extend(string);
}
