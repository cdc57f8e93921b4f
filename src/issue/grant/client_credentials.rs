//! A token for a client itself (RFC 6749 §4.4).

use super::Grant;
use crate::issue::IssueError;
use crate::issue::client::KnownClient;
use crate::token::Scope;

/// What an authenticated client gets: what it asked for if it may have all of that, or all it may have if it asked for
/// nothing in particular (RFC 6749 §3.3). No refresh token (§4.4.3).
pub(in crate::issue) fn decide(
    client: &KnownClient,
    asked: Option<Scope>,
) -> Result<Scope, IssueError> {
    // RFC 6749 §4.4: only for clients that prove which one they are.
    if client.is_public || !client.grants.contains(&Grant::ClientCredentials) {
        return Err(IssueError::UnauthorizedClient);
    }
    match asked.filter(|scope| !scope.is_empty()) {
        None => Ok(client.scope.clone()),
        Some(scope) if client.scope.covers(&scope) => Ok(scope),
        Some(_) => Err(IssueError::InvalidScope),
    }
}
