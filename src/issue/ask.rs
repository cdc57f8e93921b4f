//! What a client wants of the issuing side, in nobody's dialect, and what it gets.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::ClientAuth;
use crate::token::{Scope, Secret, Timestamp};
use crate::verify::Identity;

/// When something is asked, and from where.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// The one time this ask sees.
    pub now: Timestamp,
    /// The address it came from; none if the operator asks.
    pub address: Option<IpAddr>,
}

/// What the operator asks, and nobody from outside.
impl From<Timestamp> for Circumstances {
    fn from(now: Timestamp) -> Self {
        Self { now, address: None }
    }
}

/// What a client wants.
#[derive(Clone, Debug)]
pub enum Ask {
    /// A token for the client itself (RFC 6749 §4.4).
    ClientCredentials {
        /// Which program is asking.
        client: ClientCredentials,
        /// What it would like to be allowed; nothing said means all it may have.
        scope: Option<Scope>,
    },
    /// A token for a person who proves a name and a password.
    Login {
        /// The name they log in with: the account's key.
        key: String,
        /// Their password; absent is as wrong as wrong.
        password: Option<Secret>,
    },
    /// A new access token for a refresh token that never changes.
    Renew {
        /// The refresh token.
        refresh_token: Secret,
    },
    /// A new account.
    Register {
        /// The name they choose.
        name: String,
        /// The password they choose.
        password: Secret,
    },
    /// The key of an account whose owner has forgotten it.
    RecoverKey {
        /// The account's name.
        name: String,
        /// Their password; absent is as wrong as wrong.
        password: Option<Secret>,
    },
    /// A session for a person who proves a name and a password to a program (RFC 6749 §4.3).
    Password {
        /// What the program calls itself; nobody checks it.
        program: String,
        /// The account's name.
        name: String,
        /// Their password; absent is as wrong as wrong.
        password: Option<Secret>,
        /// The digits of their second factor, where they have one.
        totp: Option<Secret>,
    },
    /// A session for a person who sends an authorization code (RFC 6749 §4.1.3).
    Code {
        /// Which program is asking.
        client: ClientCredentials,
        /// The code.
        code: Secret,
        /// Where the code was sent to.
        redirect_uri: Option<String>,
        /// The proof that the program is the one that asked for it (RFC 7636 §4.5).
        verifier: Option<Secret>,
    },
    /// A session for a person who proves that a wallet is theirs (EIP-4361).
    Wallet {
        /// Which program is asking.
        client: ClientCredentials,
        /// The message they signed.
        message: String,
        /// The signature, as hexadecimal digits.
        signature: String,
        /// The session to continue, as its program knows it.
        session: Option<String>,
    },
    /// A token for an account that proves a secret, or for one of its members.
    Account {
        /// The account's name.
        account: String,
        /// Its secret.
        secret: Secret,
        /// The member's name.
        member: Option<String>,
    },
    /// New tokens for a refresh token that is spent by this (RFC 6749 §6).
    Refresh {
        /// Which program is asking.
        by: Program,
        /// The refresh token.
        refresh_token: Secret,
        /// What the new access token is to permit; nothing said means all the session may.
        scope: Option<Scope>,
    },
    /// What a token is worth (RFC 7662).
    Introspect {
        /// Which program is asking.
        client: ClientCredentials,
        /// The token.
        token: Secret,
        /// Whether the answer is to be signed (RFC 9701 §4).
        signed: bool,
    },
    /// The end of the session a token belongs to (RFC 7009).
    Revoke {
        /// Which program is asking.
        client: ClientCredentials,
        /// The token, of either kind.
        token: Secret,
    },
    /// A code that hands the session of a token over to a browser.
    BeginHandoff {
        /// Whose token it is.
        identity: Arc<Identity>,
        /// Where the browser comes back to.
        redirect_uri: String,
    },
    /// What such a code stands for.
    RedeemHandoff {
        /// The code.
        code: Secret,
        /// The client for whose page it is redeemed.
        client: String,
    },
    /// A client that registers itself (RFC 7591).
    RegisterClient(Registering),
    /// What a client that registered itself wants done with its registration (RFC 7592 §2).
    ManageClient {
        /// Which client.
        id: String,
        /// The token that only it was given.
        token: Secret,
        /// What it wants.
        wish: Managing,
    },
    /// What is known of the account that a token speaks for.
    Myself {
        /// Whose token it is.
        identity: Arc<Identity>,
    },
    /// The public keys (RFC 7517 §5).
    Keys,
    /// What this token service offers (RFC 8414).
    Metadata,
}

impl Ask {
    /// Which program says that it is asking, where one does.
    pub fn program(&self) -> Option<&str> {
        match self {
            Self::ClientCredentials { client, .. }
            | Self::Code { client, .. }
            | Self::Wallet { client, .. }
            | Self::Introspect { client, .. }
            | Self::Revoke { client, .. }
            | Self::Refresh {
                by: Program::Known(client),
                ..
            } => Some(&client.id),
            _ => None,
        }
    }
}

/// How a program says which one it is (RFC 6749 §2.3).
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// Its identifier.
    pub id: String,
    /// How it proves that.
    pub proof: ClientProof,
    /// Whether these came in the `Authorization` header; a failure is then answered with a challenge (RFC 6749 §5.2).
    pub in_header: bool,
}

/// How a program proves which one it is.
#[derive(Clone, Debug)]
pub enum ClientProof {
    /// Not at all: it cannot keep a secret (RFC 6749 §2.1).
    Nothing,
    /// By its secret.
    Secret(Secret),
    /// By a JWT that it signed (RFC 7523 §2.2).
    Assertion(Secret),
}

/// Which program holds a refresh token.
#[derive(Clone, Debug)]
pub enum Program {
    /// One that is known here, and proves it.
    Known(ClientCredentials),
    /// One that goes by a name nobody checks.
    Named(String),
    /// One that says no name: it must be the one that had none when it got the token.
    Unnamed,
}

/// What a client says of itself when it registers (RFC 7591 §2).
#[derive(Clone, Debug)]
pub struct Registering {
    /// What it is called by people.
    pub title: Option<String>,
    /// Where people are to be sent back to.
    pub redirect_uris: Vec<String>,
    /// The grants it wants to use.
    pub grants: Vec<String>,
    /// The most its tokens are to do.
    pub scope: Option<Scope>,
    /// How it wants to prove which one it is.
    pub auth: ClientAuth,
}

/// What a client wants done with its registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Managing {
    /// To know it (RFC 7592 §2.1).
    Read,
    /// To have it removed (§2.3).
    Remove,
}

/// What a client gets.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Tokens.
    Issued(Issued),
    /// The key of an account: new, or recovered.
    AccountKey(String),
    /// What a token is worth; nothing for whatever reason is one answer (RFC 7662 §2.2).
    Introspected(Option<Introspected>),
    /// The same as a JWT, signed for whoever asked (RFC 9701 §5).
    IntrospectedSigned(Secret),
    /// The token is worth nothing now, if it ever was something (RFC 7009 §2.2).
    Revoked,
    /// A code that hands a session over.
    Handoff {
        /// The code.
        code: Secret,
        /// How long it lives.
        expires_in: Duration,
    },
    /// What a code stood for.
    HandedOver(HandedOver),
    /// A client that registered itself.
    Registered(Registered),
    /// A client that is no more.
    Unregistered,
    /// An account, as its owner may see it.
    Myself(Myself),
    /// The public keys, as a JWK set (RFC 7517 §5).
    Keys(serde_json::Value),
    /// The identifier of this issuer; the dialect adds its own paths.
    Metadata {
        /// The issuer identifier (RFC 8414 §2).
        issuer: String,
    },
}

/// Tokens that were issued (RFC 6749 §5.1).
#[derive(Clone, Debug)]
pub struct Issued {
    /// The access token.
    pub access_token: Secret,
    /// How long it lives.
    pub expires_in: Duration,
    /// The refresh token, if there is one.
    pub refresh_token: Option<Secret>,
    /// How long that lives unused.
    pub refresh_expires_in: Option<Duration>,
    /// The session both belong to, in hexadecimal digits.
    pub session: Option<String>,
    /// What it permits.
    pub scope: Scope,
    /// Whether that is what was asked for (RFC 6749 §5.1).
    pub scope_as_asked: bool,
}

/// What an active token is worth (RFC 7662 §2.2).
#[derive(Clone, Debug)]
pub struct Introspected {
    /// Whose it is.
    pub subject: String,
    /// The name of the account, where there is one.
    pub username: Option<String>,
    /// The client it was given to.
    pub client: Option<String>,
    /// What it permits.
    pub scope: Scope,
    /// When it was issued.
    pub issued_at: Option<Timestamp>,
    /// When it is dead.
    pub expires_at: Option<Timestamp>,
    /// Its issuer.
    pub issuer: String,
    /// Whom it is for.
    pub audience: String,
    /// Its `jti`.
    pub token_id: Option<String>,
    /// Whether it is a refresh token.
    pub is_refresh_token: bool,
}

/// A session that was handed over to a browser.
#[derive(Clone, Debug)]
pub struct HandedOver {
    /// The client it was opened for.
    pub client: String,
    /// Whose it is.
    pub subject: String,
    /// The session, in hexadecimal digits.
    pub session: String,
    /// Where the browser goes back to.
    pub redirect_uri: String,
}

/// A client that registered itself (RFC 7591 §3.2.1, RFC 7592 §3).
#[derive(Clone, Debug)]
pub struct Registered {
    /// Its identifier.
    pub id: String,
    /// Its secret, if it can keep one and this is the one time it is shown.
    pub secret: Option<Secret>,
    /// The token by which it manages its registration.
    pub token: Secret,
    /// When it was made.
    pub at: Timestamp,
    /// What was made of what it said.
    pub said: Registering,
}

/// An account, as its owner may see it.
#[derive(Clone, Debug)]
pub struct Myself {
    /// Its identity, in hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where its owner can be written to.
    pub email: Option<String>,
    /// What its owner is called by people.
    pub title: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether its owner must choose another password before getting more tokens.
    pub must_reset: bool,
}
