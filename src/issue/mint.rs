//! The mint: every ask, answered.

use super::account::Accounts;
use super::audit::{self, Who};
use super::client::Clients;
use super::grant::{Brought, StandingRefresh, client_credentials, redeem};
use super::registrar::Registrar;
use super::renewal::Renewing;
use super::session::Sessions;
use super::sign::{Bearer, sign};
use super::totp::SecondFactors;
use super::{
    Answer, Ask, Circumstances, ClientCredentials, Grant, Hashing, IssueError, Issued, LocalIssuer,
    MasterKey, Program, Registration, StartError,
};
use super::{asked, introspect, revoke};
use crate::store::{Account, Store};
use crate::token::{Scope, Secret, Timestamp};
use crate::verify::{Revocations, Sightings};

/// The part that answers asks, for whichever mount they came to. A clone is the same mint.
#[derive(Clone, Debug)]
pub struct Mint {
    pub(super) store: Store,
    pub(super) clients: Clients,
    pub(super) accounts: Accounts,
    pub(super) refresh: StandingRefresh,
    pub(super) sessions: Sessions,
    pub(super) factors: SecondFactors,
    pub(super) registrar: Registrar,
}

impl Mint {
    /// A mint over this store, for these clients.
    pub fn new(
        store: Store,
        clients: Clients,
        hashing: Hashing,
        master: &MasterKey,
    ) -> Result<Self, StartError> {
        let refresh = StandingRefresh::new(master)?;
        let sessions = Sessions::new(store.clone(), master)?;
        let accounts = Accounts::new(store.clone(), hashing);
        let factors = SecondFactors::new(store.clone(), master.clone());
        let registrar = Registrar::new(master)?;
        Ok(Self {
            store,
            clients,
            accounts,
            refresh,
            sessions,
            factors,
            registrar,
        })
    }

    /// The sessions it opens, renews and ends.
    pub const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// What was taken back of the tokens it issued: for whoever verifies them.
    pub const fn revocations(&self) -> &Revocations {
        self.sessions.revocations()
    }

    /// Which generations of its sessions have been seen: for whoever sees them.
    pub const fn sightings(&self) -> &Sightings {
        self.sessions.sightings()
    }

    /// Answers `ask` in the name of `issuer`. What is issued, made or refused is told to the audit log.
    pub async fn answer(
        &self,
        ask: Ask,
        issuer: &LocalIssuer,
        at: impl Into<Circumstances>,
    ) -> Result<Answer, IssueError> {
        let at = at.into();
        audit::heard_from(at.address, self.judge(ask, issuer, at)).await
    }

    /// Tells the audit log of what was asked at a place called `asked` and never became an ask, as `reason` says.
    pub async fn declined(
        &self,
        asked: &str,
        reason: &str,
        issuer: &LocalIssuer,
        at: Circumstances,
    ) {
        audit::heard_from(at.address, async {
            audit::declined(&issuer.name, asked, reason);
        })
        .await;
    }

    async fn judge(
        &self,
        ask: Ask,
        issuer: &LocalIssuer,
        at: Circumstances,
    ) -> Result<Answer, IssueError> {
        let now = at.now;
        let (asked, who) = (asked::asked(&ask), asked::who(&ask));
        let answer = match ask {
            Ask::ClientCredentials { client, scope } => {
                self.client_credentials(&client, scope, issuer, now).await
            }
            Ask::Login { key, password } => self.login(&key, password, issuer, at).await,
            Ask::Renew { refresh_token } => self.renew(&refresh_token, issuer, now).await,
            Ask::Register { name, password } => self.register(&name, password, issuer, now).await,
            Ask::RecoverKey { name, password } => {
                self.recover_key(&name, password, issuer, at).await
            }
            Ask::Code {
                client,
                code,
                redirect_uri,
                verifier,
            } => {
                let brought = Brought::new(code, redirect_uri, verifier);
                self.redeem(&client, &brought, issuer, now).await
            }
            Ask::Refresh {
                by,
                refresh_token,
                scope,
            } => {
                let asked = (&refresh_token, scope);
                self.renew_session(&by, asked, issuer, now).await
            }
            ask @ (Ask::Introspect { .. } | Ask::Revoke { .. }) => {
                self.shown(ask, issuer, now).await
            }
            ask @ (Ask::Password { .. } | Ask::Account { .. } | Ask::Myself { .. }) => {
                self.proven(ask, issuer, at).await
            }
            ask @ (Ask::Wallet { .. }
            | Ask::BeginHandoff { .. }
            | Ask::RedeemHandoff { .. }
            | Ask::RegisterClient(_)
            | Ask::ManageClient { .. }) => self.entrusted(ask, issuer, at).await,
            Ask::Keys => Ok(Answer::Keys(issuer.keyring.jwks())),
            Ask::Metadata => Ok(Answer::Metadata {
                issuer: issuer.identifier.clone(),
            }),
        };
        if let Err(reason) = &answer {
            audit::refused(&issuer.name, asked, &who, reason);
        }
        answer
    }

    async fn client_credentials(
        &self,
        credentials: &ClientCredentials,
        scope: Option<Scope>,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Answer, IssueError> {
        let client = self.clients.authenticate(credentials, issuer, now).await?;
        let scope = client_credentials::decide(&client, scope)?;
        // RFC 9068 §2.2: where no person is involved, the subject is the client.
        let bearer = Bearer {
            subject: &client.name,
            client: Some(&client.name),
            scope,
        };
        let whose = (bearer.subject, bearer.client);
        let date = self.revocations().issued_at(&issuer.name, whose, now);
        let signed = sign(&bearer, issuer, date)?;
        let who = Who::Client(credentials.id.clone());
        audit::token_issued(
            &issuer.name,
            "client_credentials",
            &who,
            signed.id.as_deref(),
            &bearer.scope,
        );
        Ok(signed.answer(bearer.scope, None))
    }

    async fn redeem(
        &self,
        credentials: &ClientCredentials,
        brought: &Brought,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Answer, IssueError> {
        let client = self.clients.authenticate(credentials, issuer, now).await?;
        let house = (&self.store, &self.sessions);
        redeem(brought, &client, house, issuer, now)
            .await
            .map(Answer::Issued)
    }

    async fn login(
        &self,
        key: &str,
        password: Option<Secret>,
        issuer: &LocalIssuer,
        at: Circumstances,
    ) -> Result<Answer, IssueError> {
        let account = self.accounts.login(&issuer.name, key, password, at).await?;
        let refresh_token = self.refresh.token(&account);
        issue_to(&account, "login", Some(refresh_token), issuer, at.now)
    }

    async fn renew(
        &self,
        refresh_token: &Secret,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Answer, IssueError> {
        let account = self
            .refresh
            .find(&self.store, &issuer.name, refresh_token)
            .await?;
        issue_to(&account, "refresh_token", None, issuer, now)
    }

    async fn renew_session(
        &self,
        by: &Program,
        (refresh_token, scope): (&Secret, Option<Scope>),
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Answer, IssueError> {
        let (program, is_public) = match by {
            Program::Named(name) => (name.clone(), true),
            Program::Unnamed => (self.unsaid_name(refresh_token, issuer).await?, true),
            Program::Known(credentials) => {
                let client = self.clients.authenticate(credentials, issuer, now).await?;
                if !client.grants.contains(&Grant::RefreshToken) {
                    return Err(IssueError::UnauthorizedClient);
                }
                (client.name, client.is_public)
            }
        };
        let renewing = Renewing {
            refresh_token,
            program: &program,
            is_public,
            scope,
        };
        let tokens = self.sessions.renew(&renewing, issuer, now).await?;
        Ok(Answer::Issued(tokens))
    }

    /// Answers those who show a token of which they want something.
    async fn shown(
        &self,
        ask: Ask,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Answer, IssueError> {
        match ask {
            Ask::Introspect {
                client,
                token,
                signed,
            } => {
                let asked = (&token, signed);
                self.introspect(&client, asked, issuer, now).await
            }
            Ask::Revoke { client, token } => self.revoke(&client, &token, issuer, now).await,
            _ => Err(IssueError::NotOffered),
        }
    }

    async fn introspect(
        &self,
        credentials: &ClientCredentials,
        (token, signed): (&Secret, bool),
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Answer, IssueError> {
        let client = self.clients.authenticate(credentials, issuer, now).await?;
        // One that anybody can call itself would let anybody try tokens (RFC 7662 §2.1).
        if client.is_public {
            return Err(IssueError::InvalidClient {
                in_header: credentials.in_header,
            });
        }
        let kept = (&self.sessions, &self.store);
        let found = introspect::introspect(&client, token, kept, issuer, now).await?;
        if signed {
            let jwt = introspect::signed(found.as_ref(), &client, issuer, now)?;
            return Ok(Answer::IntrospectedSigned(jwt));
        }
        Ok(Answer::Introspected(found))
    }

    async fn revoke(
        &self,
        credentials: &ClientCredentials,
        token: &Secret,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Answer, IssueError> {
        let client = self.clients.authenticate(credentials, issuer, now).await?;
        let kept = (&self.sessions, &self.store);
        revoke::revoke(&client, token, kept, issuer, now).await?;
        Ok(Answer::Revoked)
    }

    async fn register(
        &self,
        name: &str,
        password: Secret,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Answer, IssueError> {
        if issuer.register == Registration::Closed {
            return Err(IssueError::RegistrationClosed);
        }
        let account = self
            .accounts
            .register(&issuer.name, name, password, now)
            .await?;
        audit::account_registered(&issuer.name, name);
        Ok(Answer::AccountKey(account.key))
    }

    async fn recover_key(
        &self,
        name: &str,
        password: Option<Secret>,
        issuer: &LocalIssuer,
        at: Circumstances,
    ) -> Result<Answer, IssueError> {
        let account = self
            .accounts
            .recover(&issuer.name, name, password, at)
            .await?;
        audit::key_recovered(&issuer.name, name);
        Ok(Answer::AccountKey(account.key))
    }
}

fn issue_to(
    account: &Account,
    grant: &str,
    refresh_token: Option<Secret>,
    issuer: &LocalIssuer,
    now: Timestamp,
) -> Result<Answer, IssueError> {
    let bearer = Bearer {
        subject: &account.name,
        client: None,
        scope: account.scope.clone(),
    };
    let signed = sign(&bearer, issuer, now)?;
    let who = Who::Name(account.name.clone());
    audit::token_issued(
        &issuer.name,
        grant,
        &who,
        signed.id.as_deref(),
        &bearer.scope,
    );
    Ok(signed.answer(bearer.scope, refresh_token))
}

impl super::sign::Signed {
    pub(super) fn answer(self, scope: Scope, refresh_token: Option<Secret>) -> Answer {
        let Self {
            token, expires_in, ..
        } = self;
        Answer::Issued(Issued {
            access_token: token,
            expires_in,
            refresh_token,
            refresh_expires_in: None,
            session: None,
            scope,
            scope_as_asked: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::num::NonZeroU16;
    use std::sync::Arc;
    use std::time::Duration;

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};
    use tempfile::TempDir;

    use super::*;
    use crate::issue::{
        ClientProof, ClientSettings, Grant, NewClient, PasswordSettings, open_keyring,
    };
    use crate::settings::{ByteSize, SecretSource};
    use crate::store::{Status, StoreSettings};
    use crate::token::{Algorithm, Profile};

    /// A mint with a store of its own, and the two kinds of issuer.
    struct House {
        folder: TempDir,
        store: Store,
        mint: Mint,
        clients: Clients,
        accounts: Accounts,
        hub: LocalIssuer,
        oauth: LocalIssuer,
    }

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    impl House {
        async fn new() -> Self {
            Self::at(tempfile::tempdir().unwrap(), 1).await
        }

        async fn at(folder: TempDir, master: u8) -> Self {
            let store = Store::open(&StoreSettings::default(), folder.path())
                .await
                .unwrap();
            let clients = Clients::open(&listed(), store.clone()).await.unwrap();
            let passwords = PasswordSettings {
                memory: ByteSize::kib(64),
                passes: 1,
                concurrent: NonZeroU16::new(1),
                ..PasswordSettings::default()
            };
            let hashing = Hashing::start(&passwords).unwrap();
            let master = master_key(master);
            Self {
                mint: Mint::new(store.clone(), clients.clone(), hashing.clone(), &master).unwrap(),
                accounts: Accounts::new(store.clone(), hashing),
                hub: issuer(&store, "hub", legacy(), &master).await,
                oauth: issuer(&store, "oauth", Profile::standard(), &master).await,
                clients,
                store,
                folder,
            }
        }

        async fn restart(self) -> Self {
            let Self { folder, store, .. } = self;
            store.close().await;
            Self::at(folder, 1).await
        }

        async fn hub(&self, ask: Ask) -> Result<Answer, IssueError> {
            self.mint.answer(ask, &self.hub, NOW).await
        }

        async fn ada(&self) -> String {
            key(self.hub(register("ada")).await)
        }

        async fn client(
            &self,
            id: &str,
            secret: &str,
            scope: Option<&str>,
        ) -> Result<Issued, IssueError> {
            let client = ClientCredentials {
                id: id.into(),
                proof: ClientProof::Secret(Secret::new(secret)),
                in_header: true,
            };
            let scope = scope.map(|scope| Scope::parse(scope).unwrap());
            let ask = Ask::ClientCredentials { client, scope };
            self.mint.answer(ask, &self.oauth, NOW).await.map(issued)
        }
    }

    fn master_key(byte: u8) -> MasterKey {
        MasterKey::read(&Secret::new(URL_SAFE_NO_PAD.encode([byte; 32]))).unwrap()
    }

    fn listed() -> BTreeMap<String, ClientSettings> {
        let shop = ClientSettings {
            secret: Some(SecretSource {
                literal: Some(Secret::new("shop secret")),
                ..SecretSource::default()
            }),
            grants: vec![Grant::ClientCredentials],
            scopes: vec![
                Scope::parse("orders:read").unwrap(),
                Scope::parse("orders:write").unwrap(),
            ],
            ..ClientSettings::default()
        };
        let idle = ClientSettings {
            grants: vec![],
            ..shop.clone()
        };
        BTreeMap::from([("shop".to_owned(), shop), ("idle".to_owned(), idle)])
    }

    fn legacy() -> Profile {
        Profile {
            algorithm: Algorithm::RS256,
            header_type: "JWT",
            key_id_in_header: false,
            subject_claim: "uid",
            scope_claim: "scp",
            identified: false,
            access_lifetime: Duration::from_hours(1),
            ..Profile::standard()
        }
    }

    async fn issuer(
        store: &Store,
        name: &str,
        profile: Profile,
        master: &MasterKey,
    ) -> LocalIssuer {
        // The longest part of making RSA keys is the making; these tests do not look at the algorithm.
        let profile = Profile {
            algorithm: Algorithm::ES256,
            ..profile
        };
        LocalIssuer {
            name: Arc::from(name),
            identifier: format!("https://api.example/{name}"),
            audience: format!("https://api.example/{name}"),
            keyring: open_keyring(store, name, profile.algorithm, master, NOW)
                .await
                .unwrap(),
            profile,
            register: Registration::Open,
            former_end: Timestamp::from_millis(i64::MIN),
        }
    }

    fn register(name: &str) -> Ask {
        Ask::Register {
            name: name.into(),
            password: Secret::new("s3cret-one"),
        }
    }

    fn login(key: &str, password: &str) -> Ask {
        Ask::Login {
            key: key.into(),
            password: Some(Secret::new(password)),
        }
    }

    fn renew(token: &Secret) -> Ask {
        Ask::Renew {
            refresh_token: token.clone(),
        }
    }

    fn key(answer: Result<Answer, IssueError>) -> String {
        match answer.unwrap() {
            Answer::AccountKey(key) => key,
            other => panic!("{other:?}"),
        }
    }

    fn issued(answer: Answer) -> Issued {
        match answer {
            Answer::Issued(issued) => issued,
            other => panic!("{other:?}"),
        }
    }

    fn decoded(token: &Secret) -> (Value, Value) {
        let mut parts = token
            .reveal()
            .split('.')
            .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
        let mut json = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
        (json(), json())
    }

    fn is_signed_by(token: &Secret, issuer: &LocalIssuer) -> bool {
        let (message, signature) = token.reveal().rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        issuer
            .keyring
            .signing()
            .verifying()
            .verify(message.as_bytes(), &signature)
            .is_ok()
    }

    /// J02: a JWT access token holds what RFC 9068 §2.2 lists.
    #[tokio::test]
    async fn a_client_gets_a_token_in_the_shape_of_rfc_9068() {
        let house = House::new().await;
        let issued = house
            .client("shop", "shop secret", Some("orders:read"))
            .await
            .unwrap();
        assert_eq!(issued.scope.as_str(), "orders:read");
        assert_eq!(issued.expires_in, Duration::from_mins(10));
        assert!(issued.refresh_token.is_none());
        assert!(is_signed_by(&issued.access_token, &house.oauth));

        let (header, mut claims) = decoded(&issued.access_token);
        let kid = house.oauth.keyring.signing().kid().to_owned();
        assert_eq!(
            header,
            json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid })
        );
        let jti = claims.as_object_mut().unwrap().remove("jti").unwrap();
        assert_eq!(jti.as_str().unwrap().len(), 22, "128 random bits");
        assert_eq!(
            claims,
            json!({
                "iss": "https://api.example/oauth", "aud": "https://api.example/oauth",
                "sub": "shop", "client_id": "shop", "scope": "orders:read",
                "iat": 1_000_000, "exp": 1_000_600,
            })
        );
    }

    #[tokio::test]
    async fn a_client_gets_what_it_may_have_and_never_more() {
        let house = House::new().await;
        for nothing_in_particular in [None, Some("")] {
            let issued = house
                .client("shop", "shop secret", nothing_in_particular)
                .await
                .unwrap();
            assert_eq!(issued.scope.as_str(), "orders:read orders:write");
        }
        let more = house
            .client("shop", "shop secret", Some("orders:read admin"))
            .await;
        assert!(matches!(more, Err(IssueError::InvalidScope)));
        let idle = house.client("idle", "shop secret", None).await;
        assert!(matches!(idle, Err(IssueError::UnauthorizedClient)));
    }

    #[tokio::test]
    async fn an_unknown_client_and_a_wrong_secret_are_the_same_refusal() {
        let house = House::new().await;
        for (id, secret) in [
            ("shop", "wrong"),
            ("shop", ""),
            ("nobody", "shop secret"),
            ("SHOP", "shop secret"),
        ] {
            let refused = house.client(id, secret, None).await;
            assert!(
                matches!(refused, Err(IssueError::InvalidClient { in_header: true })),
                "{id}"
            );
        }
    }

    #[tokio::test]
    async fn a_client_of_the_store_is_known_at_once_and_can_change_its_secret_while_it_runs() {
        let house = House::new().await;
        let new = NewClient {
            name: "late".into(),
            scope: Scope::parse("a b").unwrap(),
            grants: vec![Grant::ClientCredentials],
        };
        let first = house.clients.add(new.clone(), NOW).await.unwrap();
        assert!(matches!(
            house.clients.add(new.clone(), NOW).await,
            Err(IssueError::NameTaken)
        ));
        let listed = NewClient {
            name: "shop".into(),
            ..new
        };
        assert!(matches!(
            house.clients.add(listed, NOW).await,
            Err(IssueError::NameTaken)
        ));
        assert_eq!(
            house
                .client("late", first.reveal(), None)
                .await
                .unwrap()
                .scope
                .as_str(),
            "a b"
        );

        let before = NOW.minus(Duration::from_mins(1));
        let second = house
            .clients
            .rotate_secret("late", Duration::from_hours(1), before)
            .await
            .unwrap()
            .unwrap();
        for secret in [&first, &second] {
            assert!(
                house.client("late", secret.reveal(), None).await.is_ok(),
                "both are good for an hour"
            );
        }
        let third = house
            .clients
            .rotate_secret("late", Duration::ZERO, before)
            .await
            .unwrap()
            .unwrap();
        assert!(
            house.client("late", second.reveal(), None).await.is_err(),
            "no overlap, no second chance"
        );
        assert!(
            house
                .clients
                .set_status("late", Status::Disabled)
                .await
                .unwrap()
        );
        assert!(house.client("late", third.reveal(), None).await.is_err());
        assert!(house.clients.remove("late").await.unwrap());
    }

    #[tokio::test]
    async fn a_client_in_the_file_and_in_the_store_is_refused_at_start() {
        let house = House::new().await;
        let new = NewClient {
            name: "late".into(),
            scope: Scope::empty(),
            grants: vec![],
        };
        house.clients.add(new, NOW).await.unwrap();
        let both = BTreeMap::from([("late".to_owned(), listed().remove("shop").unwrap())]);
        let error = Clients::open(&both, house.store).await.unwrap_err();
        assert!(matches!(error, StartError::ClientTwice(name) if name == "late"));
    }

    /// NH-1, NH-2, NH-5, NH-6: claims, header and tokens of the older shape.
    #[tokio::test]
    async fn an_account_logs_in_and_gets_exactly_the_claims_of_its_profile() {
        let house = House::new().await;
        let key = house.ada().await;
        let tail = key.strip_prefix("ada-").unwrap();
        assert!(tail.len() == 32 && tail.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert!(matches!(
            house.hub(register("ada")).await,
            Err(IssueError::NameTaken)
        ));

        let issued = issued(house.hub(login(&key, "s3cret-one")).await.unwrap());
        let (header, claims) = decoded(&issued.access_token);
        assert_eq!(header, json!({ "alg": "ES256", "typ": "JWT" }));
        assert_eq!(
            claims,
            json!({ "uid": "ada", "scp": "", "iat": 1_000_000, "exp": 1_003_600 })
        );
        assert!(is_signed_by(&issued.access_token, &house.hub));
        let refresh = issued.refresh_token.unwrap();
        assert_eq!(refresh.reveal().len(), key.len() + 64);
        assert!(refresh.reveal().starts_with(&key));
    }

    /// NH-7, NH-10, NH-11
    #[tokio::test]
    async fn a_refresh_token_is_the_same_at_every_login_and_after_a_restart() {
        let house = House::new().await;
        let key = house.ada().await;
        let first = issued(house.hub(login(&key, "s3cret-one")).await.unwrap())
            .refresh_token
            .unwrap();
        let again = issued(house.hub(login(&key, "s3cret-one")).await.unwrap())
            .refresh_token
            .unwrap();
        assert_eq!(first.reveal(), again.reveal());

        let house = house.restart().await;
        for _ in 0..3 {
            let renewed = issued(house.hub(renew(&first)).await.unwrap());
            assert!(
                renewed.refresh_token.is_none() && is_signed_by(&renewed.access_token, &house.hub)
            );
        }
        let mut altered = first.reveal().to_owned();
        let last = altered.pop().unwrap();
        altered.push(if last == 'a' { 'b' } else { 'a' });
        for wrong in [
            "nope",
            "",
            &altered,
            &key,
            &"é".repeat(64),
            &format!("{}x", first.reveal()),
        ] {
            let refused = house.hub(renew(&Secret::new(wrong))).await;
            assert!(
                matches!(refused, Err(IssueError::InvalidGrant)),
                "{wrong:?}"
            );
        }
        let elsewhere = house.mint.answer(renew(&first), &house.oauth, NOW).await;
        assert!(
            matches!(elsewhere, Err(IssueError::InvalidGrant)),
            "another mount"
        );
    }

    /// NH-20
    #[tokio::test]
    async fn the_operator_takes_refresh_tokens_back_and_the_next_login_gets_another() {
        let house = House::new().await;
        let key = house.ada().await;
        let old = issued(house.hub(login(&key, "s3cret-one")).await.unwrap())
            .refresh_token
            .unwrap();
        assert!(house.accounts.revoke("hub", "ada").await.unwrap());
        assert!(!house.accounts.revoke("hub", "nobody").await.unwrap());
        assert!(matches!(
            house.hub(renew(&old)).await,
            Err(IssueError::InvalidGrant)
        ));
        let new = issued(house.hub(login(&key, "s3cret-one")).await.unwrap())
            .refresh_token
            .unwrap();
        assert_ne!(old.reveal(), new.reveal());
        assert!(house.hub(renew(&new)).await.is_ok());

        let changed = Secret::new("s3cret-two");
        assert!(
            house
                .accounts
                .set_password("hub", "ada", changed)
                .await
                .unwrap()
        );
        assert!(
            house.hub(renew(&new)).await.is_err(),
            "another password voids them too"
        );
        assert!(house.hub(login(&key, "s3cret-one")).await.is_err());
        assert!(house.hub(login(&key, "s3cret-two")).await.is_ok());
    }

    /// NH-8
    #[tokio::test]
    async fn wrong_unknown_and_missing_credentials_are_the_same_refusal() {
        let house = House::new().await;
        let key = house.ada().await;
        let nothing = Ask::Login {
            key: key.clone(),
            password: None,
        };
        let long = "x".repeat(1025);
        for ask in [
            login(&key, "wrong"),
            login("ada", "s3cret-one"),
            nothing,
            login(&key, &long),
        ] {
            assert!(matches!(
                house.hub(ask).await,
                Err(IssueError::InvalidCredentials)
            ));
        }
        let recover = |password: &str| Ask::RecoverKey {
            name: "ada".into(),
            password: Some(Secret::new(password)),
        };
        assert_eq!(self::key(house.hub(recover("s3cret-one")).await), key);
        assert!(matches!(
            house.hub(recover("wrong")).await,
            Err(IssueError::InvalidCredentials)
        ));
    }

    /// N-16: a disabled account gets nothing.
    #[tokio::test]
    async fn a_disabled_account_gets_no_token_until_it_is_enabled_again() {
        let house = House::new().await;
        let key = house.ada().await;
        let refresh = issued(house.hub(login(&key, "s3cret-one")).await.unwrap())
            .refresh_token
            .unwrap();
        assert!(
            house
                .accounts
                .set_status("hub", "ada", Status::Disabled)
                .await
                .unwrap()
        );
        assert!(matches!(
            house.hub(login(&key, "s3cret-one")).await,
            Err(IssueError::InvalidCredentials)
        ));
        assert!(matches!(
            house.hub(renew(&refresh)).await,
            Err(IssueError::InvalidGrant)
        ));
        assert!(
            house
                .accounts
                .set_status("hub", "ada", Status::Active)
                .await
                .unwrap()
        );
        assert!(house.hub(renew(&refresh)).await.is_ok());
    }

    #[tokio::test]
    async fn a_changed_scope_shows_at_the_next_refresh() {
        let house = House::new().await;
        let key = house.ada().await;
        let refresh = issued(house.hub(login(&key, "s3cret-one")).await.unwrap())
            .refresh_token
            .unwrap();
        let scope = Scope::parse("write_orders write_root").unwrap();
        assert!(house.accounts.set_scope("hub", "ada", scope).await.unwrap());
        let renewed = issued(house.hub(renew(&refresh)).await.unwrap());
        assert_eq!(
            decoded(&renewed.access_token).1["scp"],
            "write_orders write_root"
        );
    }

    /// NH-3, N-10, N-15
    #[tokio::test]
    async fn names_of_blanks_and_closed_mounts_register_nobody() {
        let mut house = House::new().await;
        for name in ["", "  ", "a\nb"] {
            assert!(matches!(
                house.hub(register(name)).await,
                Err(IssueError::UnusableName)
            ));
        }
        let blank = Ask::Register {
            name: "ada".into(),
            password: Secret::new("  "),
        };
        assert!(matches!(
            house.hub(blank).await,
            Err(IssueError::UnusableName)
        ));
        house.hub.register = Registration::Closed;
        assert!(matches!(
            house.hub(register("ada")).await,
            Err(IssueError::RegistrationClosed)
        ));
    }

    #[tokio::test]
    async fn a_realm_keeps_its_key_and_a_new_algorithm_keeps_the_old_one_verifying() {
        let house = House::new().await;
        let kid = house.hub.keyring.signing().kid().to_owned();
        let house = house.restart().await;
        assert_eq!(house.hub.keyring.signing().kid(), kid);
        let ring = open_keyring(&house.store, "hub", Algorithm::EdDSA, &master_key(1), NOW)
            .await
            .unwrap();
        assert_eq!(ring.signing().algorithm(), Algorithm::EdDSA);
        assert!(ring.find(Some(&kid)).is_some());
        let other = house.oauth.keyring.find(Some(&kid));
        assert!(other.is_none(), "a realm does not know the keys of another");
    }

    #[tokio::test]
    async fn a_wrong_master_key_is_named_with_the_remedy() {
        let house = House::new().await;
        let error = open_keyring(&house.store, "hub", Algorithm::ES256, &master_key(2), NOW)
            .await
            .unwrap_err();
        assert!(matches!(error, StartError::WrongMasterKey { .. }));
        assert!(
            error.to_string().contains("put back the `master_key` file"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn the_public_keys_and_the_name_of_the_issuer_are_there_for_everybody() {
        let house = House::new().await;
        let Answer::Keys(keys) = house.hub(Ask::Keys).await.unwrap() else {
            panic!("no keys")
        };
        assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
        let Answer::Metadata { issuer } = house.hub(Ask::Metadata).await.unwrap() else {
            panic!("no metadata")
        };
        assert_eq!(issuer, "https://api.example/hub");
    }

    #[tokio::test]
    async fn without_the_store_nobody_is_called_a_stranger() {
        let house = House::new().await;
        let key = house.ada().await;
        house.store.close().await;
        assert!(matches!(
            house.hub(login(&key, "s3cret-one")).await,
            Err(IssueError::Store(_))
        ));
        assert!(matches!(
            house.client("late", "secret", None).await,
            Err(IssueError::Store(_))
        ));
        assert!(
            house.client("shop", "shop secret", None).await.is_ok(),
            "the file's clients need no store"
        );
    }
}
