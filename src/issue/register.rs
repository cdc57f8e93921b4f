//! Clients that register themselves (RFC 7591).
//!
//! Nobody has vouched for them: they get no more than the mount says strangers may have, send people only where they
//! said beforehand, and act for nobody who has not been asked.

use url::{Host, Url};

use super::client::KnownClient;
use super::{
    Answer, ClientAuth, Grant, IssueError, LocalIssuer, Mint, Registered, Registering,
    Registration, audit, random,
};
use crate::store::{Addition, Client, Status};
use crate::token::{Digest, Scope, Secret, Timestamp};

impl Mint {
    /// Registers a client. What it asked for and cannot have is left out; the answer says what was made of it.
    pub(super) async fn register_client(
        &self,
        said: Registering,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Answer, IssueError> {
        if issuer.register == Registration::Closed {
            return Err(IssueError::RegistrationClosed);
        }
        let said = settled(said)?;
        let id = format!("client_{}", hex(random::bytes::<12>()?));
        let secret = match said.auth {
            ClientAuth::None => None,
            _ => Some(Secret::new(format!(
                "secret_{}",
                random::base62(SECRET_LEN)?
            ))),
        };
        let client = Client {
            name: id.clone(),
            secret: secret
                .as_ref()
                .map(|secret| Digest::of(secret.reveal().as_bytes())),
            former: None,
            scope: said.scope.clone().unwrap_or_else(Scope::empty),
            grants: said.grants.clone(),
            status: Status::Active,
            created_at: now,
            redirect_uris: said.redirect_uris.clone(),
            title: said.title.clone(),
            registered_at: Some(issuer.name.to_string()),
        };
        match self.store.add_client(client).await? {
            Addition::Added => {
                audit::client_changed(&id, "registered itself");
                Ok(Answer::Registered(Registered {
                    id,
                    secret,
                    at: now,
                    said,
                }))
            }
            Addition::NameTaken => Err(IssueError::NameTaken),
        }
    }
}

impl KnownClient {
    /// Whether it is known to this mount. One that registered itself was let in by one mount, and by no other.
    pub(super) fn is_for(&self, issuer: &LocalIssuer) -> bool {
        let realm = self.registered_at.as_deref();
        realm.is_none_or(|realm| realm == &*issuer.name)
    }
}

/// What is made of what a client said of itself.
fn settled(said: Registering) -> Result<Registering, IssueError> {
    let title = said.title.as_deref().unwrap_or_default();
    if title.len() > TITLE_MAX || title.chars().any(char::is_control) {
        return Err(IssueError::InvalidMetadata(
            "the name is too long, or holds a control character",
        ));
    }
    if said.redirect_uris.is_empty() || said.redirect_uris.len() > URIS_MAX {
        return Err(IssueError::InvalidRedirectUri(
            "there must be from one to ten redirect URIs",
        ));
    }
    for uri in &said.redirect_uris {
        is_target(uri).map_err(IssueError::InvalidRedirectUri)?;
    }
    let open = [Grant::AuthorizationCode, Grant::RefreshToken].map(Grant::word);
    let grants: Vec<String> = open
        .into_iter()
        .filter(|word| said.grants.iter().any(|asked| asked == word))
        .map(str::to_owned)
        .collect();
    if !grants
        .iter()
        .any(|word| word == Grant::AuthorizationCode.word())
    {
        return Err(IssueError::InvalidMetadata(
            "the grants must include authorization_code",
        ));
    }
    Ok(Registering { grants, ..said })
}

/// Whether people may be sent there: to a site over TLS, to the own machine, or to an app (RFC 8252 §7).
fn is_target(uri: &str) -> Result<(), &'static str> {
    let is = |fits: bool, otherwise| fits.then_some(()).ok_or(otherwise);
    let is_plain = uri.len() <= URI_MAX && uri.bytes().all(|byte| byte.is_ascii_graphic());
    is(
        is_plain && !uri.contains('\\'),
        "a redirect URI is too long or holds other signs",
    )?;
    is(!uri.contains('#'), "a redirect URI has a fragment")?;
    let url = Url::parse(uri).map_err(|_| "a redirect URI is not absolute")?;
    is(
        url.username().is_empty() && url.password().is_none(),
        "a redirect URI names a person",
    )?;
    match url.scheme() {
        "https" => Ok(()),
        "http" => is(is_near(&url), "a redirect URI is without TLS"),
        scheme => is(
            !FORBIDDEN.contains(&scheme),
            "a redirect URI is of a scheme that is not taken",
        ),
    }
}

fn is_near(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn hex(bytes: [u8; 12]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What would run in the page, or reads what is the person's own.
const FORBIDDEN: [&str; 10] = [
    "javascript",
    "data",
    "vbscript",
    "blob",
    "file",
    "filesystem",
    "about",
    "ftp",
    "ws",
    "wss",
];
/// 256 bits.
const SECRET_LEN: usize = 43;
const TITLE_MAX: usize = 256;
const URIS_MAX: usize = 10;
const URI_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    fn said(uris: &[&str]) -> Registering {
        Registering {
            title: Some("Desk".into()),
            redirect_uris: uris.iter().map(|uri| (*uri).to_owned()).collect(),
            grants: vec![
                "refresh_token".into(),
                "authorization_code".into(),
                "client_credentials".into(),
            ],
            scope: None,
            auth: ClientAuth::None,
        }
    }

    #[test]
    fn z03_a_client_gets_the_grants_that_need_a_person_and_no_other() {
        let settled = settled(said(&["https://desk.test/cb"])).unwrap();
        assert_eq!(settled.grants, ["authorization_code", "refresh_token"]);
    }

    #[test]
    fn people_are_sent_to_safe_places_only() {
        for uri in [
            "https://desk.test/cb?x=1",
            "http://localhost:8400/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:9/cb",
            "desk://cb",
            "com.example.desk:/cb",
        ] {
            settled(said(&[uri])).unwrap();
        }
        for uri in [
            "",
            "desk.test/cb",
            "/cb",
            "http://desk.test/cb",
            "http://localhost.evil.test/",
            "https://ada@desk.test/",
            "https://desk.test/#x",
            "https://desk.test/a b",
            "https://desk.test\\@evil.test/",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "https://desk.test/\u{e4}",
        ] {
            let refused = settled(said(&[uri]));
            assert!(
                matches!(refused, Err(IssueError::InvalidRedirectUri(_))),
                "{uri}"
            );
        }
        let many = ["https://desk.test/cb"; 11];
        for uris in [&[][..], &many] {
            let refused = settled(said(uris));
            assert!(matches!(refused, Err(IssueError::InvalidRedirectUri(_))));
        }
    }
}
