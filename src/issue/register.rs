//! Clients that register themselves (RFC 7591).
//!
//! Nobody has vouched for them: they get no more than the mount says strangers may have, send people only where they
//! said beforehand, and act for nobody who has not been asked.

use super::client::KnownClient;
use super::{
    Answer, ClientAuth, Grant, IssueError, LocalIssuer, Mint, Registered, Registering,
    Registration, audit, random, redirect_uri,
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
        redirect_uri::check(uri).map_err(IssueError::InvalidRedirectUri)?;
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

fn hex(bytes: [u8; 12]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// 256 bits.
const SECRET_LEN: usize = 43;
const TITLE_MAX: usize = 256;
const URIS_MAX: usize = 10;

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
    fn a_client_says_where_people_go_and_says_it_safely() {
        settled(said(&["https://desk.test/cb", "desk://cb"])).unwrap();
        let refused = settled(said(&["https://desk.test/cb", "javascript:alert(1)"]));
        assert!(matches!(refused, Err(IssueError::InvalidRedirectUri(_))));
        let many = ["https://desk.test/cb"; 11];
        for uris in [&[][..], &many] {
            let refused = settled(said(uris));
            assert!(matches!(refused, Err(IssueError::InvalidRedirectUri(_))));
        }
    }
}
