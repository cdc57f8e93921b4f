//! What was asked, and who says they are asking, in the words of the audit log.

use super::audit::Who;
use super::{Ask, Program};
use crate::token::Digest;

/// What was asked, as the audit log calls it.
pub(super) const fn asked(ask: &Ask) -> &'static str {
    match ask {
        Ask::ClientCredentials { .. } => "client_credentials",
        Ask::Login { .. } => "login",
        Ask::Renew { .. } | Ask::Refresh { .. } => "refresh_token",
        Ask::Register { .. } => "register",
        Ask::RecoverKey { .. } => "recover_key",
        Ask::Password { .. } => "password",
        Ask::Code { .. } => "authorization_code",
        Ask::Wallet { .. } => "wallet",
        Ask::Account { .. } => "account",
        Ask::Introspect { .. } => "introspect",
        Ask::Revoke { .. } => "revoke",
        Ask::BeginHandoff { .. } => "begin_handoff",
        Ask::RedeemHandoff { .. } => "redeem_handoff",
        Ask::RegisterClient(_) => "register_client",
        Ask::ManageClient { .. } => "manage_client",
        Ask::Myself { .. } => "myself",
        Ask::Keys => "keys",
        Ask::Metadata => "metadata",
    }
}

/// Who says they are asking.
pub(super) fn who(ask: &Ask) -> Who {
    match ask {
        Ask::ClientCredentials { client, .. }
        | Ask::Code { client, .. }
        | Ask::Wallet { client, .. }
        | Ask::Introspect { client, .. }
        | Ask::Revoke { client, .. }
        | Ask::Refresh {
            by: Program::Known(client),
            ..
        } => Who::Client(client.id.clone()),
        Ask::Refresh {
            by: Program::Named(name),
            ..
        } => Who::Client(name.clone()),
        Ask::RedeemHandoff { code, .. } => Who::Bearer(Digest::of(code.reveal().as_bytes())),
        Ask::BeginHandoff { identity, .. } | Ask::Myself { identity } => {
            Who::Name(identity.subject.as_deref().unwrap_or_default().to_owned())
        }
        Ask::Account { account, .. } => Who::Name(account.clone()),
        Ask::ManageClient { id, .. } => Who::Client(id.clone()),
        Ask::RegisterClient(said) => Who::Client(said.title.clone().unwrap_or_default()),
        Ask::Login { key, .. } => Who::Bearer(Digest::of(key.as_bytes())),
        Ask::Renew { refresh_token }
        | Ask::Refresh {
            by: Program::Unnamed,
            refresh_token,
            ..
        } => Who::Bearer(Digest::of(refresh_token.reveal().as_bytes())),
        Ask::Register { name, .. } | Ask::RecoverKey { name, .. } | Ask::Password { name, .. } => {
            Who::Name(name.clone())
        }
        Ask::Keys | Ask::Metadata => Who::Name(String::new()),
    }
}
