//! Clients that register themselves (RFC 7591), and see to that themselves (RFC 7592).
//!
//! Nobody has vouched for them: they get no more than the mount says strangers may have, send people only where they
//! said beforehand, and act for nobody who has not been asked.

use std::time::Duration;

use super::client::KnownClient;
use super::{
    Answer, Circumstances, ClientAuth, Grant, IssueError, LocalIssuer, Managing, Mint, Registered,
    Registering, Registration, audit, random, redirect_uri,
};
use crate::store::{Addition, Client, Status};
use crate::token::{Digest, Scope, Secret, Timestamp};

impl Mint {
    /// Registers a client. What it asked for and cannot have is left out; the answer says what was made of it.
    pub(super) async fn register_client(
        &self,
        said: Registering,
        issuer: &LocalIssuer,
        at: Circumstances,
    ) -> Result<Answer, IssueError> {
        if issuer.register == Registration::Closed {
            return Err(IssueError::RegistrationClosed);
        }
        let (said, now) = (settled(said)?, at.now);
        self.registrar.admit(at)?;
        self.make_room(issuer, now).await?;
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
                    token: self.registrar.token(&issuer.name, &id),
                    id,
                    secret,
                    at: now,
                    said,
                }))
            }
            Addition::NameTaken => Err(IssueError::NameTaken),
        }
    }

    /// Does what a client wants with its registration, if it holds the token of it.
    pub(super) async fn manage_client(
        &self,
        (id, token): (&str, &Secret),
        wish: Managing,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Answer, IssueError> {
        if !self.registrar.is_token(token, &issuer.name, id) {
            return Err(IssueError::ForeignRegistration);
        }
        let client = self.store.client(id).await?;
        let client = client.filter(|client| client.registered_at.as_deref() == Some(&issuer.name));
        let client = client.ok_or(IssueError::ForeignRegistration)?;
        match wish {
            Managing::Read => Ok(Answer::Registered(Registered {
                id: id.to_owned(),
                secret: None,
                token: token.clone(),
                at: client.created_at,
                said: Registering::of(client),
            })),
            Managing::Remove => {
                // From here on it gets no more tokens, so that none is left when those it has are taken back.
                self.clients.set_status(id, Status::Disabled).await?;
                self.end_client(id, issuer, now).await?;
                self.clients.remove(id).await?;
                Ok(Answer::Unregistered)
            }
        }
    }

    /// Sees to it that there is room for one more. Those that nobody ever agreed to go first, when they have had a day.
    async fn make_room(&self, issuer: &LocalIssuer, now: Timestamp) -> Result<(), IssueError> {
        let most = self.registrar.most;
        if self.store.registered_clients(&issuer.name).await? < most {
            return Ok(());
        }
        let before = now.minus(UNUSED_FOR);
        let gone = self.store.remove_unused_clients(&issuer.name, before);
        audit::clients_forgotten(&issuer.name, gone.await?);
        if self.store.registered_clients(&issuer.name).await? < most {
            return Ok(());
        }
        Err(IssueError::TooManyClients)
    }
}

impl Registering {
    /// What is known of a client that registered itself.
    fn of(client: Client) -> Self {
        Self {
            title: client.title,
            redirect_uris: client.redirect_uris,
            grants: client.grants,
            scope: Some(client.scope),
            auth: match client.secret {
                None => ClientAuth::None,
                // Either way of showing it is taken.
                Some(_) => ClientAuth::Basic,
            },
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
/// How long a client may be there before anybody agrees to it.
const UNUSED_FOR: Duration = Duration::from_hours(24);
const TITLE_MAX: usize = 256;
const URIS_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issue::Ask;
    use crate::issue::testing::{House, NOW};
    use crate::store::AccountId;

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

    /// Z03: however many strangers come, no more are kept, and those that nobody agreed to make room after a day.
    #[tokio::test]
    async fn z03_as_many_register_as_there_is_room_for() {
        let mut house = House::new().await;
        house.issuer.register = Registration::Open;
        house.mint.registrar.most = 2;
        let register = async |now| {
            let ask = Ask::RegisterClient(said(&["https://desk.test/cb"]));
            match house.mint.answer(ask, &house.issuer, now).await {
                Ok(Answer::Registered(client)) => Ok(client.id),
                Ok(other) => panic!("{other:?}"),
                Err(error) => Err(error),
            }
        };
        let (agreed, idle) = (register(NOW).await.unwrap(), register(NOW).await.unwrap());
        let realm = &house.issuer.name;
        let account = AccountId::from_bytes([1; 16]);
        let kept = house
            .store
            .keep_consent(realm, account, &agreed, Scope::empty(), NOW);
        kept.await.unwrap();
        let full = register(NOW.plus(UNUSED_FOR)).await;
        assert!(matches!(full, Err(IssueError::TooManyClients)), "{full:?}");
        let new = register(NOW.plus(UNUSED_FOR * 2)).await.unwrap();
        let clients = house.store.clients().await.unwrap();
        let names: Vec<_> = clients.into_iter().map(|client| client.name).collect();
        assert!(names.contains(&agreed) && names.contains(&new));
        assert!(!names.contains(&idle));
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
