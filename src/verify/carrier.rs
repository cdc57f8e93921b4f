//! Where a token may travel (RFC 6750 §2, and what dialects add).

use std::fmt;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{VerifyError, jwt};
use crate::net::Target;
use crate::token::Carriers;

/// The one credential found in a request, no longer than a token may be. Whether its characters are those of a token is
/// for [`check`] to say: one that was verified before need not be read again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Presented<'a>(&'a str);

impl<'a> Presented<'a> {
    /// The token itself.
    pub(super) const fn token(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented(..)")
    }
}

/// Finds the credential of a request, if it has one.
///
/// A request with several credentials is refused, whatever they hold; the same token in two places is one.
pub(super) fn find<'a>(
    headers: &'a HeaderMap,
    carriers: &Carriers,
) -> Result<Option<Presented<'a>>, VerifyError> {
    let authorization = one(headers, &AUTHORIZATION)?;
    let found = match authorization {
        Some(value) => of_authorization(value, carriers)?,
        None => None,
    };
    let Some(header) = &carriers.header else {
        return Ok(found);
    };
    let Some(token) = one(headers, header)? else {
        return Ok(found);
    };
    match (authorization, found) {
        (None, _) => read(token.trim_matches(' ')).map(Some),
        (Some(_), Some(first)) if first.token() == token => Ok(Some(first)),
        (Some(_), _) => Err(VerifyError::TwoCredentials),
    }
}

/// The value of a header that may stand there once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, VerifyError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(VerifyError::TwoCredentials);
    }
    let text = std::str::from_utf8(value.as_bytes());
    text.map(Some)
        .map_err(|_| VerifyError::Malformed("characters outside ASCII"))
}

/// The scheme is matched without regard to case (RFC 9110 §11.1). Another scheme than `Bearer` is no token of ours: it
/// counts as none.
fn of_authorization<'a>(
    value: &'a str,
    carriers: &Carriers,
) -> Result<Option<Presented<'a>>, VerifyError> {
    let token = match value.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => rest.trim_matches(' '),
        None if value.eq_ignore_ascii_case("bearer") => "",
        None if carriers.bare_authorization => value,
        Some(_) | None => return Ok(None),
    };
    read(token).map(Some)
}

/// Moves the token of a request for a WebSocket from the query to where everybody looks for it: a browser can set no
/// header there. From then on the query does not hold it, so that nobody logs it or passes it on.
pub fn lift(
    target: &mut Target,
    headers: &mut HeaderMap,
    carriers: &Carriers,
) -> Result<(), VerifyError> {
    let Some(parameter) = carriers.query else {
        return Ok(());
    };
    let values = target.take_parameter(parameter);
    let value = match values.as_slice() {
        [] => return Ok(()),
        [value] if !headers.contains_key(AUTHORIZATION) => value,
        _ => return Err(VerifyError::TwoCredentials),
    };
    check(value)?;
    let mut value = HeaderValue::try_from(format!("Bearer {value}"))
        .map_err(|_| VerifyError::Malformed("characters no token has"))?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(())
}

fn read(token: &str) -> Result<Presented<'_>, VerifyError> {
    if token.is_empty() {
        return Err(VerifyError::Malformed("empty"));
    }
    if token.len() > jwt::LONGEST {
        return Err(VerifyError::Malformed("longer than 16 KiB"));
    }
    Ok(Presented(token))
}

/// Whether a token that nobody has seen before is made of the characters of RFC 6750 §2.1.
pub(super) fn check(token: &str) -> Result<(), VerifyError> {
    if token.bytes().all(is_token_character) {
        return Ok(());
    }
    Err(VerifyError::Malformed("characters no token has"))
}

// RFC 6750 §2.1: b64token. `=` may stand at the end only, which whoever reads the token will notice.
fn is_token_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Carriers = Carriers {
        bare_authorization: false,
        header: None,
        query: None,
    };
    const BARE: Carriers = Carriers {
        bare_authorization: true,
        ..STRICT
    };

    fn headers(values: &[&'static str]) -> HeaderMap {
        let pairs = values.iter().map(|value| HeaderValue::from_static(value));
        pairs.map(|value| (AUTHORIZATION, value)).collect()
    }

    fn token(value: &'static str, carriers: &Carriers) -> Result<Option<String>, VerifyError> {
        let headers = headers(&[value]);
        let found = find(&headers, carriers)?;
        found.map_or(Ok(()), |presented| check(presented.token()))?;
        Ok(found.map(|presented| presented.token().to_owned()))
    }

    /// B05
    #[test]
    fn a_bearer_token_is_found_whatever_the_case_of_the_scheme() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c "] {
            assert_eq!(token(value, &STRICT).unwrap().unwrap(), "a.b.c");
        }
        assert_eq!(token("a.b.c", &BARE).unwrap().unwrap(), "a.b.c");
        assert!(find(&HeaderMap::new(), &STRICT).unwrap().is_none());
    }

    #[test]
    fn a_token_in_the_query_becomes_one_in_the_header() {
        let carriers = Carriers {
            query: Some("bearer"),
            ..STRICT
        };
        let lifted = |path: &str, mut fields: HeaderMap, carriers: &Carriers| {
            fields.insert(http::header::HOST, HeaderValue::from_static("gw.test"));
            let mut target = Target::parse(&path.parse().unwrap(), &fields).unwrap();
            lift(&mut target, &mut fields, carriers)?;
            let query = target.query().map(str::to_owned);
            let token = find(&fields, carriers)?.map(|presented| presented.token().to_owned());
            Ok::<_, VerifyError>((query, token))
        };
        let (query, token) = lifted("/ws?bearer=a.b.c&x=1", HeaderMap::new(), &carriers).unwrap();
        assert_eq!(
            (query.as_deref(), token.as_deref()),
            (Some("x=1"), Some("a.b.c"))
        );
        let (query, token) = lifted("/ws?bearer=a.b.c", HeaderMap::new(), &STRICT).unwrap();
        assert_eq!((query.as_deref(), token), (Some("bearer=a.b.c"), None));
        let twice = lifted("/ws?bearer=a&bearer=a", HeaderMap::new(), &carriers);
        assert!(matches!(twice, Err(VerifyError::TwoCredentials)));
        let both = lifted("/ws?bearer=a", headers(&["Bearer a"]), &carriers);
        assert!(matches!(both, Err(VerifyError::TwoCredentials)));
        let odd = lifted("/ws?bearer=a%0db", HeaderMap::new(), &carriers);
        assert!(matches!(odd, Err(VerifyError::Malformed(_))));
    }

    #[test]
    fn two_authorization_headers_are_two_credentials() {
        let headers = headers(&["Bearer a", "Bearer a"]);
        let found = find(&headers, &STRICT);
        assert!(matches!(found, Err(VerifyError::TwoCredentials)));
    }

    #[test]
    fn another_scheme_is_no_token_and_a_broken_token_is_a_bad_one() {
        for value in ["Basic YTpi", "a.b.c", "DPoP a.b.c"] {
            assert!(token(value, &STRICT).unwrap().is_none(), "{value}");
        }
        for value in [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a,b",
            "Bearer \"a\"",
        ] {
            let found = token(value, &STRICT);
            assert!(matches!(found, Err(VerifyError::Malformed(_))), "{value}");
        }
    }

    /// X-1, NX-17: the same token twice is one credential, and two different ones are refused.
    #[test]
    fn a_header_of_its_own_may_carry_the_token_too() {
        let carriers = Carriers {
            header: Some(HeaderName::from_static("x-token")),
            ..STRICT
        };
        let found = |fields: &[(&'static str, &'static str)]| {
            let pairs = fields.iter().map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            });
            let headers: HeaderMap = pairs.collect();
            let found = find(&headers, &carriers)?;
            Ok(found.map(|presented| presented.token().to_owned()))
        };
        let alone = found(&[("x-token", "a.b.c ")]);
        assert_eq!(alone.unwrap().unwrap(), "a.b.c");
        let twice = found(&[("authorization", "bearer a"), ("x-token", "a")]);
        assert_eq!(twice.unwrap().unwrap(), "a");
        for fields in [
            [("authorization", "Bearer a"), ("x-token", "b")],
            [("authorization", "Basic YTpi"), ("x-token", "b")],
            [("x-token", "a"), ("x-token", "a")],
        ] {
            let refused: Result<_, VerifyError> = found(&fields);
            assert!(matches!(refused, Err(VerifyError::TwoCredentials)));
        }
        let empty = found(&[("x-token", " ")]);
        assert!(matches!(empty, Err(VerifyError::Malformed("empty"))));
    }
}
