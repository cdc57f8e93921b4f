//! Every way in which a path that has no canonical form could be read.

use http::HeaderMap;
use http::uri::{PathAndQuery, Uri};

use super::Host;
use super::target::{Segments, Target, escaped_byte, segments, split};

/// A target whose path can be read in more than one way, and all the ways.
///
/// Programs differ in what they decode, resolve, merge and cut, how often, and in which order. Whatever any of that
/// makes of the path is a reading, and so is whatever it makes of another reading.
#[derive(Clone, Debug)]
pub struct Readings {
    host: Host,
    received: PathAndQuery,
    paths: Vec<String>,
}

/// What a program may do to a path before it looks at it.
const WAYS: [fn(&str) -> String; 9] = [
    decode,
    decode_within,
    turn,
    end,
    cut,
    merge,
    resolve,
    leave,
    trim,
];

/// A path that is longer, or has more readings, is not looked into.
const LONGEST: usize = 1024;
const MOST: usize = 128;

impl Readings {
    /// All readings of a target, the path as it was received first. None if the target breaks a rule of HTTP, or there
    /// are too many to look at.
    pub fn of(uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let (host, received) = split(uri, headers).ok()?;
        let path = received.path();
        if path.len() > LONGEST || !is_well_formed(path) {
            return None;
        }
        Some(Self {
            host,
            received: received.clone(),
            paths: all(path)?,
        })
    }

    /// The host, without a port.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The segments of each reading.
    pub fn paths(&self) -> impl Iterator<Item = Segments<'_>> {
        self.paths.iter().map(|path| segments(path))
    }

    /// The target as it was received: for whoever has found that all readings come to the same.
    pub fn settle(self) -> Target {
        Target::received(self.host, self.received)
    }
}

fn is_well_formed(path: &str) -> bool {
    let has_escapes_only = |after| escaped_byte(after).is_some();
    path.bytes().all(|byte| (0x21..0x7f).contains(&byte))
        && path.split('%').skip(1).all(has_escapes_only)
}

fn all(path: &str) -> Option<Vec<String>> {
    let mut readings = vec![path.to_owned()];
    let mut looked_at = 0;
    while let Some(reading) = readings.get(looked_at).cloned() {
        for way in WAYS {
            let other = way(&reading);
            if !readings.contains(&other) {
                readings.push(other);
            }
        }
        if readings.len() > MOST {
            return None;
        }
        looked_at += 1;
    }
    Some(readings)
}

/// Escapes, decoded once. Each byte becomes a character of its own, as nobody knows which encoding is meant.
fn decode(path: &str) -> String {
    unescape(path, |_| true)
}

/// Many programs take a path apart first and decode its segments then: an escaped slash stays within one.
fn decode_within(path: &str) -> String {
    unescape(path, |byte| byte != b'/')
}

fn unescape(path: &str, is_meant: fn(u8) -> bool) -> String {
    let mut parts = path.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let byte = escaped_byte(part).filter(|byte| is_meant(*byte));
        if let (Some(byte), Some(rest)) = (byte, part.get(2..)) {
            out.push(char::from(byte));
            out.push_str(rest);
        } else {
            out.push('%');
            out.push_str(part);
        }
    }
    out
}

/// A backslash is a slash.
fn turn(path: &str) -> String {
    path.replace('\\', "/")
}

/// What stands behind the end of a string, or of a path, is not part of it.
fn end(path: &str) -> String {
    let before = path.split(['\0', '?', '#']).next();
    before.unwrap_or_default().to_owned()
}

/// Segments without parameters.
fn cut(path: &str) -> String {
    let words = path.split('/');
    let words = words.map(|word| word.split(';').next().unwrap_or_default());
    words.collect::<Vec<_>>().join("/")
}

/// Several slashes are one.
fn merge(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !out.ends_with('/') {
            out.push(letter);
        }
    }
    out
}

/// Dot segments, resolved (RFC 3986 §5.2.4).
fn resolve(path: &str) -> String {
    let mut left: Vec<&str> = Vec::new();
    for word in path.split('/').skip(1) {
        match word {
            "." => {}
            ".." => _ = left.pop(),
            _ => left.push(word),
        }
    }
    let ends_in_dots = path.ends_with("/.") || path.ends_with("/..");
    let slash = if ends_in_dots && !left.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{slash}", left.join("/"))
}

/// Behind two slashes at the front stands a host, and the path only then (RFC 3986 §4.2).
fn leave(path: &str) -> String {
    let Some(rest) = path.strip_prefix("//") else {
        return path.to_owned();
    };
    let behind = rest.trim_start_matches('/').split_once('/');
    format!("/{}", behind.map_or("", |(_, path)| path))
}

/// A slash at the end is nothing.
fn trim(path: &str) -> String {
    let left = path.strip_suffix('/').filter(|left| !left.is_empty());
    left.unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(path: &str) -> Option<Vec<String>> {
        let mut headers = HeaderMap::new();
        headers.insert(
            http::header::HOST,
            http::HeaderValue::from_static("gw.test"),
        );
        Some(Readings::of(&path.parse().ok()?, &headers)?.paths)
    }

    #[test]
    fn each_way_of_reading_a_path_is_found() {
        for (path, reading) in [
            ("/a/../b", "/b"),
            ("/a/%2e%2e/b", "/b"),
            ("/a/%252e%252e/b", "/b"),
            ("/a/..%2fb", "/b"),
            ("/a/..;x/b", "/b"),
            ("/a/..%3bx/b", "/b"),
            ("/a/..\\b", "/b"),
            ("/a/..%5Cb", "/b"),
            ("/a/..%255cb", "/b"),
            ("/a//../b", "/a/b"),
            ("/a//../b", "/b"),
            ("//a", "/a"),
            ("/a;b=c/d", "/a/d"),
            ("/a%00.png", "/a"),
            ("/a%253fb", "/a"),
            ("/a%2523b", "/a"),
            ("/../../a", "/a"),
            ("/a/b/..", "/a/"),
            ("/a/b/..", "/a"),
            ("/a/.", "/a"),
            ("/a//", "/a"),
            ("/a%2fb/%2e%2e/c", "/c"),
            ("/%61/b%2fc", "/a/b%2fc"),
            ("//x/a", "/a"),
            ("///x/a", "/a"),
            ("/\\x/a", "/a"),
        ] {
            let readings = readings(path).unwrap();
            assert!(
                readings.iter().any(|found| found == reading),
                "{path} was not read as {reading}: {readings:?}"
            );
            assert_eq!(readings[0], path);
        }
    }

    #[test]
    fn what_breaks_a_rule_or_has_too_many_readings_is_not_looked_into() {
        let long = format!("//{}", "a".repeat(LONGEST));
        let many = "/a;%5c%2f%253b..//%252525252e/".repeat(8);
        for path in ["/a;%zz", "/a;%4", "*", &long, &many] {
            assert_eq!(readings(path), None, "{path}");
        }
    }
}
