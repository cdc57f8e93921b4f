//! A strict reader of HTTP/1.1 requests (RFC 9112), independent of the one inside Tollgate: whatever it accepts can be read in
//! one way only.

use super::Seen;

/// What a look at the bytes so far has found.
pub(super) enum Reading {
    /// Not enough bytes yet.
    More,
    /// Not HTTP/1.1 as it should be sent.
    Wrong(String),
    /// A whole head or body, and how many bytes it took.
    Done(Seen, usize),
}

/// Reads a request head: request line, headers, empty line.
pub(super) fn head(bytes: &[u8]) -> Reading {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return if bytes.len() > 1024 * 1024 {
            Reading::Wrong("endless head".to_owned())
        } else {
            Reading::More
        };
    };
    match understand(&bytes[..end]) {
        Ok(seen) => Reading::Done(seen, end + 4),
        Err(fault) => Reading::Wrong(fault),
    }
}

/// Reads what follows a head: as much as its one framing header says.
pub(super) fn body(head: &Seen, bytes: &[u8]) -> Reading {
    if head.header("transfer-encoding").is_some() {
        return chunked(bytes);
    }
    let length: usize = head
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap_or(usize::MAX));
    if bytes.len() < length {
        return Reading::More;
    }
    let rest = Seen {
        body: bytes[..length].to_vec(),
        ..Seen::default()
    };
    Reading::Done(rest, length)
}

fn understand(head: &[u8]) -> Result<Seen, String> {
    let text = std::str::from_utf8(head).map_err(|_| "head is not UTF-8".to_owned())?;
    let mut lines = lines(text)?.into_iter();
    let request_line = lines.next().unwrap_or_default();
    let [method, target, "HTTP/1.1"] = request_line.split(' ').collect::<Vec<_>>()[..] else {
        return Err(format!("odd request line {request_line:?}"));
    };
    let mut seen = Seen {
        method: method.to_owned(),
        target: target.to_owned(),
        ..Seen::default()
    };
    for line in lines {
        seen.headers.push(field(line)?);
    }
    check_framing(&seen)?;
    Ok(seen)
}

/// Splits at CR LF, and refuses a CR or LF that stands alone.
fn lines(text: &str) -> Result<Vec<&str>, String> {
    let lines: Vec<&str> = text.split("\r\n").collect();
    match lines.iter().find(|line| line.contains(['\r', '\n', '\0'])) {
        Some(line) => Err(format!("bare CR, LF or NUL in {line:?}")),
        None => Ok(lines),
    }
}

fn field(line: &str) -> Result<(String, String), String> {
    let token = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&b))
    };
    match line.split_once(':') {
        Some((name, value)) if token(name) => {
            Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
        }
        _ => Err(format!("odd header line {line:?}")),
    }
}

fn check_framing(seen: &Seen) -> Result<(), String> {
    let (lengths, codings) = (seen.all("content-length"), seen.all("transfer-encoding"));
    if lengths.len() + codings.len() > 1 {
        return Err(format!("several framing headers: {lengths:?} {codings:?}"));
    }
    if lengths
        .iter()
        .any(|length| length.is_empty() || !length.bytes().all(|b| b.is_ascii_digit()))
    {
        return Err(format!("odd Content-Length {lengths:?}"));
    }
    if codings
        .iter()
        .any(|coding| !coding.eq_ignore_ascii_case("chunked"))
    {
        return Err(format!("odd Transfer-Encoding {codings:?}"));
    }
    if seen.all("host").len() != 1 {
        return Err(format!("not one Host: {:?}", seen.all("host")));
    }
    Ok(())
}

fn chunked(bytes: &[u8]) -> Reading {
    let (mut rest, mut at) = (Seen::default(), 0);
    loop {
        let Some(end) = find(&bytes[at..], b"\r\n") else {
            return Reading::More;
        };
        let line = String::from_utf8_lossy(&bytes[at..at + end]).into_owned();
        let digits = !line.is_empty() && line.bytes().all(|b| b.is_ascii_hexdigit());
        let (true, Ok(size)) = (digits, usize::from_str_radix(&line, 16)) else {
            return Reading::Wrong(format!("odd chunk size {line:?}"));
        };
        at += end + 2;
        if size == 0 {
            return trailers(rest, bytes, at);
        }
        match bytes.get(at..at.saturating_add(size).saturating_add(2)) {
            None => return Reading::More,
            Some(chunk) if chunk.ends_with(b"\r\n") => rest.body.extend_from_slice(&chunk[..size]),
            Some(_) => return Reading::Wrong("chunk does not end in CR LF".to_owned()),
        }
        at += size + 2;
    }
}

fn trailers(mut rest: Seen, bytes: &[u8], mut at: usize) -> Reading {
    loop {
        let Some(end) = find(&bytes[at..], b"\r\n") else {
            return Reading::More;
        };
        let line = String::from_utf8_lossy(&bytes[at..at + end]).into_owned();
        at += end + 2;
        if line.is_empty() {
            return Reading::Done(rest, at);
        }
        match field(&line) {
            Ok(field) => rest.trailers.push(field),
            Err(fault) => return Reading::Wrong(fault),
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
