//! A token whose signature is taken for good, for `route explain`: it is signed here, and then it is like any other.
//!
//! Our own tokens are signed with our own key. For another issuer's, a key made for the occasion stands in for the
//! issuer's, in a copy of the configuration that nobody else sees.

use std::fs;

use serde_json::{Map, Value, json};

use super::CliError;
use super::desk::Desk;
use super::folder::Folder;
use crate::config::Config;
use crate::issue::LocalIssuer;
use crate::settings::FilePath;
use crate::token::{Algorithm, Profile, Secret, SigningKey};
use crate::verify::{IssuerSettings, JwksSettings, Kind};

/// The token, and the configuration by which its signature is good.
#[derive(Debug)]
pub(super) struct Supposed {
    pub(super) token: Secret,
    pub(super) config: Config,
}

type Claims = Map<String, Value>;

/// Signs these claims as the issuer they name, or as the first of `issuers`; what every token of it has is filled in.
pub(super) fn token(
    desk: &Desk,
    claims: &str,
    issuers: &[&str],
    stand_in: &Folder,
) -> Result<Supposed, CliError> {
    let claims: Claims = serde_json::from_str(claims)
        .map_err(|error| CliError::Usage(format!("read the claims: {error}")))?;
    let mounts = || desk.kept.mounts.values().map(|mount| mount.issuer());
    let said = claims.get("iss").and_then(Value::as_str);
    let remote = |(name, settings): &(&String, &IssuerSettings)| match said {
        Some(said) => settings.issuer.as_deref() == Some(said),
        None => issuers.first() == Some(&name.as_str()),
    };
    if let Some((name, settings)) = desk.config.issuer.iter().find(remote) {
        return as_remote(desk, (name, settings), claims, stand_in);
    }
    let is_it = |issuer: &&LocalIssuer| match said {
        Some(said) => issuer.profile.identified && issuer.identifier == said,
        None => issuers.first() == Some(&&*issuer.name),
    };
    // An issuer nobody knows is signed for by anybody: it is refused for its name.
    let issuer = mounts().find(is_it).or_else(|| mounts().next());
    let issuer =
        issuer.ok_or_else(|| CliError::Usage("suppose a token: nobody signs any".to_owned()))?;
    Ok(Supposed {
        token: Secret::new(
            issuer
                .keyring
                .signing()
                .token(&issuer.profile, &ours(desk, issuer, claims))?,
        ),
        config: desk.config.clone(),
    })
}

/// The claims, and what every token of this mount has.
fn ours(desk: &Desk, issuer: &LocalIssuer, mut claims: Claims) -> Claims {
    let profile = &issuer.profile;
    fill(
        &mut claims,
        "exp",
        desk.now.plus(profile.access_lifetime).seconds().into(),
    );
    fill(&mut claims, profile.subject_claim, "somebody".into());
    if profile.identified {
        fill(&mut claims, "iss", issuer.identifier.as_str().into());
        fill(&mut claims, "aud", issuer.audience.as_str().into());
        fill(&mut claims, "client_id", "something".into());
        fill(&mut claims, "jti", "supposed".into());
    }
    claims
}

/// Signs as somebody else, whose keys are exchanged for one made here.
fn as_remote(
    desk: &Desk,
    (name, settings): (&String, &IssuerSettings),
    mut claims: Claims,
    stand_in: &Folder,
) -> Result<Supposed, CliError> {
    if settings.kind == Kind::Introspection {
        let sentence =
            format!("suppose claims: [issuer.{name}] is asked about each token; use `--token -`");
        return Err(CliError::Usage(sentence));
    }
    fill(&mut claims, "exp", (desk.now.seconds() + 600).into());
    fill(&mut claims, "iss", settings.issuer.clone().into());
    let audience = settings
        .audiences
        .as_ref()
        .and_then(|audiences| audiences.0.first());
    fill(&mut claims, "aud", audience.cloned().into());

    let algorithms = settings.algorithms.as_deref().unwrap_or(&[]);
    let key = SigningKey::generate(algorithms.first().copied().unwrap_or(Algorithm::ES256))?;
    let file = stand_in.path().join("jwks.json");
    fs::write(&file, json!({ "keys": [key.jwk()] }).to_string()).map_err(|source| {
        CliError::File {
            doing: "write",
            path: file.clone(),
            source,
        }
    })?;
    let mut config = desk.config.clone();
    if let Some(issuer) = config.issuer.get_mut(name) {
        issuer.jwks = Some(JwksSettings {
            file: Some(FilePath::from(file)),
            url: None,
        });
    }
    let any = desk
        .kept
        .mounts
        .values()
        .next()
        .map(|mount| mount.issuer().profile.clone());
    let any =
        any.ok_or_else(|| CliError::Usage("suppose a token: no profile to shape it".to_owned()))?;
    let profile = Profile {
        header_type: "at+jwt",
        key_id_in_header: true,
        ..any
    };
    Ok(Supposed {
        token: Secret::new(key.token(&profile, &claims)?),
        config,
    })
}

fn fill(claims: &mut Claims, name: &str, value: Value) {
    claims.entry(name).or_insert(value);
}
