//! Why an ask is not answered, and why the issuing side cannot start.

use std::io;
use std::time::Duration;

use super::AssertionKeysError;
use crate::settings::SecretError;
use crate::store::StoreError;
use crate::token::KeyError;

/// Why an ask is not answered. What each means on the wire is the dialect's word.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The client is unknown, its secret wrong, or it is disabled (RFC 6749 §5.2 `invalid_client`).
    #[error("authenticate the client")]
    InvalidClient {
        /// Whether the attempt was made in the `Authorization` header.
        in_header: bool,
    },
    /// The client may not use this grant (`unauthorized_client`).
    #[error("let this client use this grant")]
    UnauthorizedClient,
    /// The client asked for more than it may have (`invalid_scope`).
    #[error("grant this scope")]
    InvalidScope,
    /// The name is unknown, the password wrong, or the account disabled; nobody outside learns which.
    #[error("recognise these credentials")]
    InvalidCredentials,
    /// The refresh token is unknown, or was taken back (`invalid_grant`).
    #[error("recognise this refresh token")]
    InvalidGrant,
    /// The right password, and no or wrong digits of the second factor.
    #[error("recognise the second factor")]
    SecondFactor,
    /// The right password, and its owner must choose another one first.
    #[error("serve an account whose password must be changed")]
    MustReset,
    /// A wallet's message, or the signature under it, proves nothing here; outside it is not told why.
    #[error("accept the proof of a wallet")]
    Unproven(#[source] Unproven),
    /// There is no account of this name, where the API tells.
    #[error("find this account")]
    UnknownAccount,
    /// What was asked breaks a rule of its protocol; the sentence says which (`invalid_request`).
    #[error("understand this: {0}")]
    InvalidRequest(&'static str),
    /// The client may not do this at all, whatever it proves.
    #[error("let this client do this")]
    ForbiddenClient,
    /// The client lacks something that the operator must say of it first.
    #[error("do this for a client that is not set up for it")]
    UnfitClient,
    /// What the client says of itself cannot be taken (RFC 7591 §3.2.2).
    #[error("register such a client: {0}")]
    InvalidMetadata(&'static str),
    /// Where the client would send people cannot be taken; the sentence says why (RFC 7591 §3.2.2).
    #[error("send people there: {0}")]
    InvalidRedirectUri(&'static str),
    /// This mount cannot do this.
    #[error("do what this mount does not offer")]
    NotOffered,
    /// Too many attempts failed.
    #[error("take another attempt now")]
    TooManyAttempts {
        /// How long to wait.
        retry_after: Duration,
    },
    /// A name or password of blanks, too long, or a name with control characters.
    #[error("register such a name or password")]
    UnusableName,
    /// The name is somebody else's.
    #[error("register a name that is taken")]
    NameTaken,
    /// As many have registered themselves as this mount keeps.
    #[error("keep another client that registered itself")]
    TooManyClients,
    /// The token is not the one that was given for this registration, or the registration is no more.
    #[error("recognise the token of this registration")]
    ForeignRegistration,
    /// This mount registers nobody.
    #[error("register anybody: registration is closed")]
    RegistrationClosed,
    /// The queue for password hashing is full.
    #[error("hash another password now")]
    Busy {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The store cannot be asked now.
    #[error("reach the store")]
    Store(#[from] StoreError),
    /// Signing failed: there is no usable key.
    #[error("sign the token")]
    Sign(#[from] KeyError),
}

impl IssueError {
    /// The stable word for this reason, as the audit log writes it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidClient { .. } => "invalid_client",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidCredentials => "invalid_credentials",
            Self::InvalidGrant => "invalid_grant",
            Self::SecondFactor => "second_factor",
            Self::MustReset => "must_reset_password",
            Self::Unproven(_) => "unproven_wallet",
            Self::UnknownAccount => "unknown_account",
            Self::InvalidRequest(_) => "invalid_request",
            Self::ForbiddenClient => "forbidden_client",
            Self::UnfitClient => "unfit_client",
            Self::InvalidMetadata(_) => "invalid_client_metadata",
            Self::InvalidRedirectUri(_) => "invalid_redirect_uri",
            Self::NotOffered => "not_offered",
            Self::TooManyAttempts { .. } => "too_many_attempts",
            Self::UnusableName => "unusable_name",
            Self::NameTaken => "name_taken",
            Self::TooManyClients => "too_many_clients",
            Self::ForeignRegistration => "foreign_registration",
            Self::RegistrationClosed => "registration_closed",
            Self::Busy { .. } => "busy",
            Self::Store(_) => "store_unavailable",
            Self::Sign(_) => "signing_failed",
        }
    }
}

/// Why a wallet's message is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// It is not such a message.
    #[error("the message is none of EIP-4361: {0}")]
    Malformed(&'static str),
    /// It was made too long ago, or has yet to be made.
    #[error("the message is not of these minutes")]
    Stale,
    /// It has been shown before.
    #[error("the nonce has been used")]
    Replayed,
    /// Nobody signed it, or not the wallet it names.
    #[error("the signature is not that of the address in the message")]
    Signature,
    /// It was made for a site that is not the client's.
    #[error("the domain is not one of the client's")]
    Domain,
    /// It names one site as its asker and another as its aim.
    #[error("the URI is of another host than the domain")]
    Uri,
    /// It was made for a network that the client does not take.
    #[error("the chain is not one of the client's")]
    Chain,
    /// Its own time is over.
    #[error("the message has expired")]
    Expired,
    /// Its own time has yet to come.
    #[error("the message is not valid yet")]
    NotYet,
    /// The session to continue is none of this account and client, or is over.
    #[error("there is no such session to continue")]
    Session,
    /// The account may not log in.
    #[error("the account is disabled")]
    Disabled,
}

/// Why the issuing side cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The master key's file holds something else.
    #[error(
        "read the master key: it must be 32 random bytes in base64; make one with `openssl rand -base64 32`, or let `create = true` do it"
    )]
    NotAMasterKey,
    /// The keys in the store belong to another master key.
    #[error(
        "open the signing keys of {realm:?}: they were sealed with another master key; put back the `master_key` file that belongs to this store, or start with an empty store"
    )]
    WrongMasterKey {
        /// Whose keys.
        realm: String,
    },
    /// Another process took the key that signs, and left none.
    #[error("find the key that signs for {realm:?}")]
    NoSigningKey {
        /// Whose key.
        realm: String,
    },
    /// A key in the store is of an algorithm this program does not know.
    #[error(
        "use the signing key {kid}: it is for {algorithm:?}, which this Tollgate does not know"
    )]
    UnknownAlgorithm {
        /// The key.
        kid: String,
        /// Its algorithm.
        algorithm: String,
    },
    /// A signing key cannot be made or read.
    #[error("open the signing keys")]
    Key(#[from] KeyError),
    /// A client's secret cannot be had.
    #[error("get the secret of [client.{name}]")]
    ClientSecret {
        /// The client.
        name: String,
        /// Why not.
        #[source]
        source: SecretError,
    },
    /// The public keys of a client cannot be had.
    #[error("read the keys of [client.{name}]")]
    ClientKeys {
        /// The client.
        name: String,
        /// Why not.
        #[source]
        source: AssertionKeysError,
    },
    /// A client is in the operator's file and in the store.
    #[error(
        "use [client.{0}]: the store has a client of that name too; rename one, or run `tollgate client remove {0}`"
    )]
    ClientTwice(String),
    /// `[passwords]` asks for what Argon2 cannot do.
    #[error("hash passwords as [passwords] says: {0}")]
    Passwords(argon2::Error),
    /// The hashing threads cannot be started.
    #[error("start the threads that hash passwords")]
    Threads(#[source] io::Error),
    /// The first hash, made to compare strangers' passwords with, failed.
    #[error("hash passwords as [passwords] says: {0}")]
    FirstHash(argon2::password_hash::Error),
    /// The store cannot be asked.
    #[error("reach the store")]
    Store(#[from] StoreError),
}
