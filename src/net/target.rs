//! Where a request is going, in the single form that routing, policy, log and forwarding share.

use std::borrow::Cow;
use std::fmt;

use http::HeaderMap;
use http::uri::{PathAndQuery, Uri};

use super::Host;

/// The target of a request: host, path and query, parsed once, canonical.
///
/// A path that two programs could read in two ways has no canonical form and is refused here, so that nobody
/// downstream decides about one path and forwards another. Only where an operator lets such paths pass, and all their
/// [`Readings`](super::Readings) come to the same, a target is the path as it was received.
#[derive(Clone)]
pub struct Target {
    host: Host,
    path: PathAndQuery,
}

/// Why a request has no usable target; the sentence is for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// The request breaks a rule of HTTP.
    Malformed(&'static str),
    /// The path can be read in more than one way.
    Ambiguous(&'static str),
}

impl Target {
    /// Reads the target of a request, or says why it has none.
    ///
    /// Escapes of unreserved characters are decoded and the hexadecimal digits of others put in upper case
    /// (RFC 3986 §6.2.2). Dot segments, empty segments, encoded separators, double encoding and the like are refused.
    pub fn parse(uri: &Uri, headers: &HeaderMap) -> Result<Self, TargetError> {
        let (host, received) = split(uri, headers)?;
        let path = match canonical(received.path())? {
            Cow::Borrowed(_) => received.clone(),
            Cow::Owned(path) => with_query(path, received.query())?,
        };
        Ok(Self { host, path })
    }

    /// The target as it was received.
    pub(super) const fn received(host: Host, path: PathAndQuery) -> Self {
        Self { host, path }
    }

    /// The host, without a port.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The canonical path; begins with `/`.
    pub fn path(&self) -> &str {
        self.path.path()
    }

    /// The query as it came, without the question mark.
    pub fn query(&self) -> Option<&str> {
        self.path.query()
    }

    /// Takes a parameter out of the query wherever it stands, and gives its values, decoded. What else stands in the
    /// query stays as it came.
    pub fn take_parameter(&mut self, name: &str) -> Vec<String> {
        let Some(query) = self.query() else {
            return Vec::new();
        };
        let (mut taken, mut left) = (Vec::new(), Vec::new());
        for part in query.split('&') {
            match form_urlencoded::parse(part.as_bytes()).next() {
                Some((known, value)) if known == name => taken.push(value.into_owned()),
                _ => left.push(part),
            }
        }
        if taken.is_empty() {
            return taken;
        }
        let rest = (!left.is_empty()).then(|| left.join("&"));
        // A path without a part of its query is a path still.
        if let Ok(path) = with_query(self.path().to_owned(), rest.as_deref()) {
            self.path = path;
        }
        taken
    }

    /// Path and query, ready to be sent on.
    pub fn path_and_query(&self) -> &PathAndQuery {
        &self.path
    }

    /// Host, and path with query, for the record.
    pub fn into_parts(self) -> (Host, PathAndQuery) {
        (self.host, self.path)
    }

    /// The segments of the path: `/orders/7` has `orders` and `7`; a trailing slash ends in an empty one.
    pub fn segments(&self) -> Segments<'_> {
        segments(self.path())
    }
}

/// The segments of a path, one after the other.
pub type Segments<'a> = std::iter::Skip<std::str::Split<'a, char>>;

/// Host and path; never the query, whose values may be secrets.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({}{})", self.host, self.path())
    }
}

/// The segments of a path that begins with `/`.
pub(super) fn segments(path: &str) -> Segments<'_> {
    path.split('/').skip(1)
}

/// Host, path and query of a request that follows the rules of HTTP about them.
pub(super) fn split<'a>(
    uri: &'a Uri,
    headers: &HeaderMap,
) -> Result<(Host, &'a PathAndQuery), TargetError> {
    let host =
        Host::of_request(uri, headers).map_err(|error| TargetError::Malformed(error.sentence()))?;
    let path = uri
        .path_and_query()
        .filter(|path| path.path().starts_with('/'))
        .ok_or(TargetError::Malformed("the request target is not a path"))?;
    let is_foreign = |query: &str| query.bytes().any(|byte| byte >= 0x80);
    if path.query().is_some_and(is_foreign) {
        return Err(TargetError::Malformed(
            "the query holds bytes that are not ASCII",
        ));
    }
    Ok((host, path))
}

fn with_query(mut path: String, query: Option<&str>) -> Result<PathAndQuery, TargetError> {
    if let Some(query) = query {
        path.push('?');
        path.push_str(query);
    }
    path.parse()
        .map_err(|_| TargetError::Malformed("the request target is not a path"))
}

/// The canonical form of a path: itself, in nearly every case.
fn canonical(path: &str) -> Result<Cow<'_, str>, TargetError> {
    let decoded = if path.contains('%') {
        unescape(path)?
    } else {
        Cow::Borrowed(path)
    };
    let bytes = decoded.as_bytes();
    let mut start = 1;
    for end in 1..=bytes.len() {
        match bytes.get(end) {
            None | Some(b'/') => {
                judge_segment(
                    bytes.get(start..end).unwrap_or_default(),
                    end == bytes.len(),
                )?;
                start = end + 1;
            }
            Some(b'\\') => return Err(TargetError::Ambiguous("a backslash in the path")),
            Some(b';') => return Err(TargetError::Ambiguous("a path parameter")),
            Some(&byte) if byte <= 0x20 || byte >= 0x7f => {
                return Err(TargetError::Malformed(
                    "the path holds bytes that must be escaped",
                ));
            }
            Some(_) => {}
        }
    }
    Ok(decoded)
}

fn judge_segment(segment: &[u8], is_last: bool) -> Result<(), TargetError> {
    match segment {
        b"." | b".." => Err(TargetError::Ambiguous("a dot segment in the path")),
        b"" if !is_last => Err(TargetError::Ambiguous("an empty segment in the path")),
        _ => Ok(()),
    }
}

/// Decodes escapes of unreserved characters, refuses those that hide structure, and keeps the rest in upper case.
fn unescape(path: &str) -> Result<Cow<'_, str>, TargetError> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let byte =
            escaped_byte(after).ok_or(TargetError::Malformed("a malformed escape in the path"))?;
        rest = after.get(2..).unwrap_or_default();
        match byte {
            b'/' | b'\\' => return Err(TargetError::Ambiguous("an encoded separator in the path")),
            b';' => return Err(TargetError::Ambiguous("an encoded path parameter")),
            0..=0x1f | 0x7f => {
                return Err(TargetError::Ambiguous(
                    "an encoded control character in the path",
                ));
            }
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                out.push('%');
                out.push(hex_digit(byte >> 4));
                out.push(hex_digit(byte & 0xf));
            }
        }
    }
    out.push_str(rest);
    // Judged on what came out: the digits behind the percent sign may have been escaped themselves.
    if out
        .split("%25")
        .skip(1)
        .any(|after| escaped_byte(after).is_some())
    {
        return Err(TargetError::Ambiguous("a doubly encoded path"));
    }
    Ok(if out == path {
        Cow::Borrowed(path)
    } else {
        Cow::Owned(out)
    })
}

/// The byte that an escape stands for, of which this is what follows the percent sign.
pub(super) fn escaped_byte(text: &str) -> Option<u8> {
    let digits = text
        .get(..2)
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok()
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16)
        .unwrap_or('0')
        .to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Result<String, TargetError> {
        let mut headers = HeaderMap::new();
        headers.insert(
            http::header::HOST,
            http::HeaderValue::from_static("gw.test"),
        );
        Target::parse(&path.parse().unwrap(), &headers)
            .map(|target| target.path_and_query().to_string())
    }

    #[test]
    fn a_plain_path_stays_as_it_is() {
        for path in ["/", "/a/b", "/a/", "/a?x=%2f..//", "/a%20b", "/100%25"] {
            assert_eq!(target(path).as_deref(), Ok(path));
        }
    }

    #[test]
    fn one_path_has_one_spelling() {
        assert_eq!(target("/%41/a%2etxt").as_deref(), Ok("/A/a.txt"));
        assert_eq!(
            target("/caf%c3%a9?q=%41").as_deref(),
            Ok("/caf%C3%A9?q=%41")
        );
    }

    #[test]
    fn a_path_that_can_be_read_in_two_ways_is_refused() {
        let paths = [
            "/a/../b",
            "/a/./b",
            "/%2e%2e/b",
            "/.%2E/b",
            "/a/..",
            "//a",
            "/a//b",
            "/a%2fb",
            "/a%5Cb",
            "/a\\b",
            "/a;b=c",
            "/a%3bb",
            "/a%00",
            "/a%0d%0ab",
            "/a%252e",
            "/a/%252e%252e/b",
            "/a%25%32%65",
        ];
        for path in paths {
            assert!(
                matches!(target(path), Err(TargetError::Ambiguous(_))),
                "{path}"
            );
        }
    }

    #[test]
    fn a_parameter_is_taken_out_of_the_query_and_the_rest_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(
            http::header::HOST,
            http::HeaderValue::from_static("gw.test"),
        );
        for (before, values, after) in [
            ("/ws?bearer=a.b", &["a.b"][..], "/ws"),
            ("/ws?x=%2f&bearer=a%2eb&y", &["a.b"], "/ws?x=%2f&y"),
            ("/ws?b%65arer=1&bearer=2", &["1", "2"], "/ws"),
            ("/ws?bearers=1", &[], "/ws?bearers=1"),
            ("/ws", &[], "/ws"),
        ] {
            let mut target = Target::parse(&before.parse().unwrap(), &headers).unwrap();
            assert_eq!(target.take_parameter("bearer"), values);
            assert_eq!(target.path_and_query().as_str(), after);
        }
    }

    #[test]
    fn a_malformed_escape_is_refused() {
        for path in ["/a%", "/a%4", "/a%zz", "/%+1"] {
            assert!(
                matches!(target(path), Err(TargetError::Malformed(_))),
                "{path}"
            );
        }
    }
}
