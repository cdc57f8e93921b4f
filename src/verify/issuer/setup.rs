//! From a section of the operator's file to an issuer that can be asked.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;

use super::introspection::Plan;
use super::key_source::KeySource;
use super::settings::{CacheSettings, IssuerSettings, JwksSettings, KeysSettings, Kind};
use super::{Introspection, IssuerId, Issuers, Jwks};
use crate::net::{Address, Outbound, OutboundError};
use crate::settings::{FilePath, Lifetime};
use crate::token::Algorithm;
use crate::verify::SetupError;
use crate::verify::rules::{Audiences, Rules, Shape};

impl Issuers {
    /// Adds somebody else, as `[issuer.NAME]` says. Nothing is asked yet; a key file is read at the first tick.
    ///
    /// Keys are fetched on `chores`. If `earlier` has the same issuer with the same settings, its keys are taken over,
    /// so that a reload never loses any.
    pub fn add_remote(
        &mut self,
        name: &str,
        settings: &IssuerSettings,
        chores: &Handle,
        earlier: Option<&Self>,
    ) -> Result<IssuerId, SetupError> {
        let setup = Setup {
            name,
            settings,
            chores,
        };
        if settings.kind == Kind::Introspection {
            let endpoint = self.introspection(&setup)?;
            return Ok(self.add_introspection(endpoint));
        }
        let written = setup.as_written();
        let known = earlier.and_then(|earlier| earlier.jwks_as_written(name, &written));
        let jwks = match known {
            Some(known) => known,
            None => Arc::new(self.jwks(&setup, written)?),
        };
        Ok(self.add_jwks(jwks, settings.required_at_start.unwrap_or(false)))
    }

    fn jwks(&mut self, setup: &Setup<'_>, written: String) -> Result<Jwks, SetupError> {
        let settings = setup.settings;
        let issuer = setup.needed(settings.issuer.as_deref(), "it has no `issuer`")?;
        let source = match &settings.jwks {
            None => {
                let address = setup.address(issuer)?;
                KeySource::Discovery {
                    issuer: issuer.to_owned(),
                    outbound: self.outbound(setup, &address)?,
                    address,
                    found: Mutex::default(),
                }
            }
            Some(JwksSettings {
                file: Some(file),
                url: None,
            }) => KeySource::File {
                path: file.as_path().to_owned(),
                seen: Mutex::default(),
            },
            Some(JwksSettings {
                file: None,
                url: Some(url),
            }) => {
                let address = setup.address(url)?;
                let outbound = self.outbound(setup, &address)?;
                KeySource::Url { address, outbound }
            }
            Some(_) => return Err(setup.fault("`jwks` needs either `url` or `file`")),
        };
        let allowed = settings.algorithms.clone();
        let allowed = allowed.unwrap_or_else(|| Algorithm::ALL.to_vec());
        let pace = settings.keys.as_ref().map(KeysSettings::pace);
        let pace = pace.unwrap_or_else(|| KeysSettings::default().pace());
        let rules = setup.rules(Shape::Remote)?;
        let chores = setup.chores.clone();
        Ok(Jwks::new(
            rules,
            allowed.into(),
            (source, pace),
            chores,
            written,
        ))
    }

    fn introspection(&mut self, setup: &Setup<'_>) -> Result<Introspection, SetupError> {
        let settings = setup.settings;
        let client = setup.needed(settings.client.as_ref(), "it has no `client`")?;
        let url = setup.needed(settings.url.as_deref(), "it has no `url`")?;
        let address = setup.address(url)?;
        let secret = client
            .secret
            .resolve()
            .map_err(|cause| SetupError::Secret {
                issuer: setup.name.to_owned(),
                cause,
            })?;
        let cache = settings.cache.clone().unwrap_or_default();
        let CacheSettings {
            active,
            inactive,
            capacity,
        } = cache;
        let plan = Plan {
            rules: setup.rules(Shape::Introspected)?,
            outbound: self.outbound(setup, &address)?,
            address,
            client_id: client.id.clone(),
            client_secret: secret,
            active: active.duration(),
            inactive: inactive.duration(),
            capacity,
            stale: settings.on_outage.unwrap_or_default().stale(),
        };
        Introspection::new(plan, setup.chores.clone())
            .map_err(|_| setup.fault("its client cannot be written in a header"))
    }

    /// The client for this address. Reading the operating system's authorities takes a while, so it is done once.
    fn outbound(&mut self, setup: &Setup<'_>, address: &Address) -> Result<Outbound, SetupError> {
        let ca = setup.settings.ca.as_ref().map(FilePath::as_path);
        self.client_for(address, ca)
            .map_err(|cause| setup.refused(cause))
    }

    fn client_for(
        &mut self,
        address: &Address,
        ca: Option<&Path>,
    ) -> Result<Outbound, OutboundError> {
        if ca.is_some() {
            return Outbound::new(ca);
        }
        if address.is_loopback_http() {
            return Outbound::loopback();
        }
        match self.client() {
            Some(client) => Ok(client.clone()),
            None => Ok(self.client().insert(Outbound::new(None)?).clone()),
        }
    }
}

/// One section, while it is being read.
struct Setup<'a> {
    name: &'a str,
    settings: &'a IssuerSettings,
    chores: &'a Handle,
}

impl Setup<'_> {
    fn rules(&self, shape: Shape) -> Result<Rules, SetupError> {
        let is_remote = matches!(shape, Shape::Remote);
        Ok(Rules {
            issuer: Arc::from(self.name),
            identifier: self.settings.issuer.as_deref().map(Box::from),
            audiences: self.audiences(is_remote)?,
            clock_skew: self
                .settings
                .clock_skew
                .map_or(CLOCK_SKEW, Lifetime::duration),
            shape,
            names: Arc::default(),
        })
    }

    /// Tokens for anybody are accepted only where the operator wrote so, or where the issuer is asked about each.
    fn audiences(&self, needed: bool) -> Result<Audiences, SetupError> {
        let written = self.settings.audiences.as_ref().map(|all| all.0.as_slice());
        match written {
            Some([word]) if word == "any" => Ok(Audiences::Any),
            Some([]) | None if needed => Err(self.fault("it has no `audiences`")),
            Some([]) | None => Ok(Audiences::Any),
            Some(all) => Ok(Audiences::Of(
                all.iter().map(|one| Box::from(one.as_str())).collect(),
            )),
        }
    }

    fn address(&self, text: &str) -> Result<Address, SetupError> {
        Address::parse(text).map_err(|cause| self.refused(cause))
    }

    fn needed<T>(&self, value: Option<T>, fault: &'static str) -> Result<T, SetupError> {
        value.ok_or_else(|| self.fault(fault))
    }

    fn fault(&self, fault: &'static str) -> SetupError {
        SetupError::Setting {
            issuer: self.name.to_owned(),
            fault,
        }
    }

    fn refused(&self, cause: OutboundError) -> SetupError {
        SetupError::Address {
            issuer: self.name.to_owned(),
            cause,
        }
    }

    /// The section as text: the same text means the same issuer. Secrets are masked in it, and no key set needs one.
    fn as_written(&self) -> String {
        serde_json::to_string(self.settings).unwrap_or_default()
    }
}

const CLOCK_SKEW: Duration = Duration::from_secs(30);
