//! `tollgate route explain`: what would become of a request, and why.
//!
//! Nothing is guessed: the routes are compiled and the token is judged by the code that does so for requests. Claims
//! given without a token are signed here, with our own key or with one that stands in for the issuer's, and then go the
//! way of any other token.

use std::fmt::Display;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use serde_json::{Value, json};

use super::command::Global;
use super::desk::Desk;
use super::folder::Folder;
use super::{CliError, console, input, suppose};
use crate::config::Config;
use crate::dialect::{Place, standard};
use crate::gate::{Caller, Gate, Passage};
use crate::net::{Arrival, Origin, Peer, Proxies, Scheme, Target, TargetError, Tasks};
use crate::observe::{Refusal, Trail};
use crate::route::{Destination, Route};
use crate::server::Rehearsal;
use crate::settings::{Document, Dotted};
use crate::token::{Scope, Secret, Timestamp};

/// The request, and whether a token comes with it.
#[derive(Debug, Args)]
pub(super) struct ExplainOptions {
    /// The method, as in `GET`
    method: Method,
    /// The whole URL, as in `https://api.example.com/orders/7`
    url: Uri,
    /// Claims of a token whose signature is taken for good, as a JSON object; what every token has may be left out
    #[arg(long, value_name = "JSON", conflicts_with = "token")]
    claims: Option<String>,
    /// Read a token from standard input
    #[arg(long, value_name = "-", value_parser = ["-"])]
    token: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Explains. The answer is given whatever it is; the exit code says whether the request would pass.
pub(super) fn explain(global: &Global, options: &ExplainOptions) -> Result<(), CliError> {
    let desk = Desk::open(global)?;
    let folder = Folder::make().map_err(|error| CliError::System("make a folder", error))?;
    let mut gate = rehearse(&desk, &desk.config)?;
    let target = gate
        .routes
        .target(&options.method, &options.url, &HeaderMap::new())
        .map_err(unusable)?;
    let token = match (&options.token, &options.claims) {
        (Some(_), _) => Some(input::secret("token", None)?),
        (None, Some(claims)) => {
            let route = gate.routes.find(&options.method, &target).ok();
            let route = route.and_then(|route| desk.config.route.get(&*route.name));
            let issuers = route
                .map(|route| desk.config.issuers_of(route))
                .unwrap_or_default();
            let supposed = suppose::token(&desk, claims, &issuers, &folder)?;
            gate = rehearse(&desk, &supposed.config)?;
            Some(supposed.token)
        }
        (None, None) => None,
    };
    let witness = Witness {
        gate: &gate,
        places: places(global)?,
        method: &options.method,
        target: &target,
        signature: if options.claims.is_some() {
            "(assumed valid signature)"
        } else {
            ""
        },
    };
    let explanation = desk.wait(witness.watch(token.as_ref(), desk.now))?;
    if options.json {
        console::answer_json(&explanation.json())?;
    } else {
        console::answer(explanation.text())?;
    }
    if explanation.passes {
        Ok(())
    } else {
        Err(CliError::No)
    }
}

/// A gate of this configuration, open to nobody.
fn rehearse(desk: &Desk, config: &Config) -> Result<Rehearsal, CliError> {
    Ok(Rehearsal::of(config, &desk.kept, desk.now)?)
}

/// The file once more, for the lines on which things stand.
fn places(global: &Global) -> Result<Document, CliError> {
    let mut document = Document::default();
    let name = global.config.display().to_string();
    document.add(
        &name,
        Path::new("."),
        &input::read(&global.config)?,
        &mut Vec::new(),
    );
    Ok(document)
}

fn unusable(error: TargetError) -> CliError {
    let (TargetError::Malformed(sentence) | TargetError::Ambiguous(sentence)) = error;
    CliError::Usage(format!("read the URL as the gateway would: {sentence}"))
}

/// Watches one judgement and writes down what there was to see.
struct Witness<'a> {
    gate: &'a Gate,
    places: Document,
    method: &'a Method,
    target: &'a Target,
    /// What to say of the signature.
    signature: &'static str,
}

impl Witness<'_> {
    async fn watch(&self, token: Option<&Secret>, now: Timestamp) -> Result<Explanation, CliError> {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let value = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
            let value =
                value.map_err(|_| CliError::Usage("send this token in a header".to_owned()))?;
            headers.insert(header::AUTHORIZATION, value);
        }
        let mut trail = Trail::default();
        let arrival = self.arrival(now);
        let judged = self
            .gate
            .judge(&headers, &arrival, &nobody(), &mut trail)
            .await;
        let route = trail
            .route
            .as_ref()
            .and_then(|name| self.gate.routes.named(name));

        let mut explanation = Explanation::default();
        self.contest(route, &mut explanation);
        self.token(&trail, route, judged.as_ref(), &mut explanation);
        match judged {
            Ok(passage) => self.pass(&passage.route, &mut explanation),
            Err(refusal) => self.refuse(&refusal, route, &mut explanation),
        }
        Ok(explanation)
    }

    fn arrival(&self, now: Timestamp) -> Arrival {
        Arrival {
            id: self.gate.ids.next(now),
            now,
            origin: Origin {
                client: Ipv4Addr::LOCALHOST.into(),
                scheme: Scheme::Https,
                path: None,
            },
            method: self.method.clone(),
            target: self.target.clone(),
        }
    }

    /// Which route it is, who else might have been meant, and why it was not.
    fn contest(&self, winner: Option<&Arc<Route>>, explanation: &mut Explanation) {
        match winner {
            None => explanation.add("route", "none", "", ""),
            Some(route) => {
                let place = self.line(&["route", "dialect"], &route.name);
                explanation.add("route", &route.name, &place, &applies(route));
            }
        }
        for route in self.gate.routes.routes() {
            if !winner.is_some_and(|winner| Arc::ptr_eq(winner, route)) {
                explanation.add("  beat", &route.name, "", &self.beaten(route));
            }
        }
    }

    fn beaten(&self, route: &Route) -> String {
        let (when, host) = (&route.when, self.target.host());
        if !when.hosts.is_empty() && !when.hosts.iter().any(|pattern| pattern.accepts(host)) {
            return format!("host {} differs", listed(&when.hosts));
        }
        if !when.path.accepts(self.target.segments()) {
            return format!("path {} differs", when.path);
        }
        if !when.methods.accept(self.method) {
            return format!("method {} not listed", self.method);
        }
        format!("path {} is less specific", when.path)
    }

    /// Whose token it is, and whether it is enough.
    fn token(
        &self,
        trail: &Trail,
        route: Option<&Arc<Route>>,
        judged: Result<&Passage, &Refusal>,
        explanation: &mut Explanation,
    ) {
        let Some(route) = route else { return };
        if let Some(issuer) = &trail.issuer {
            let place = self.line(&["issuer", "dialect"], issuer);
            explanation.add("issuer", issuer, &place, self.signature);
        }
        match judged {
            Ok(_) if trail.public => explanation.add("token", "none", "", "open to everybody"),
            Ok(passage) => match passage.permit.identity() {
                None => explanation.add("token", "none", "", "none came, and none has to"),
                Some(identity) => explanation.scope("ok", &route.demand.scope(), &identity.scope),
            },
            Err(Refusal::InsufficientScope { needed, held }) => {
                explanation.scope("FAIL", needed, held);
            }
            Err(Refusal::ClaimMismatch) => {
                explanation.add(
                    "claims",
                    "FAIL",
                    "",
                    "none of the values that `require.claims` lists",
                );
            }
            Err(refusal) => explanation.add("token", "FAIL", "", standard::sentence(refusal)),
        }
    }

    fn pass(&self, route: &Route, explanation: &mut Explanation) {
        let (name, section) = match &route.destination {
            Destination::Upstream(upstream, _) => (upstream.name(), "upstream"),
            Destination::Mount(mount) => (&mount.name, "dialect"),
            Destination::Pages(pages) => (&pages.name, "pages"),
        };
        explanation.passes = true;
        explanation.add("decision", "allow", "", "");
        explanation.add("forward", name, &self.line(&[section], name), "");
    }

    /// The answer as the place would phrase it: what an API says may differ from what others say.
    fn refuse(&self, refusal: &Refusal, route: Option<&Arc<Route>>, explanation: &mut Explanation) {
        let place = Place {
            path: self.target.path(),
            request_id: "",
            realm: "tollgate",
        };
        let response = match route.and_then(|route| route.voice.as_deref()) {
            Some(voice) => voice.refuse(refusal, &place),
            None => standard::refuse(refusal, &place),
        };
        let decision = format!("{} {}", response.status().as_u16(), refusal.code());
        explanation.add("decision", &decision, "", "");
        explanation.add("forward", "none", "", "");
    }

    /// Where the thing of this name stands.
    fn line(&self, sections: &[&str], name: &str) -> String {
        let mut lines = sections
            .iter()
            .filter_map(|section| self.places.line_of(Dotted::from(*section).key(name)));
        lines.next().unwrap_or_else(|| "default".to_owned())
    }
}

/// Somebody on a new connection, who asked for no name in particular.
fn nobody() -> Caller {
    let peer = Peer {
        address: (Ipv4Addr::LOCALHOST, 0).into(),
        listener: Arc::from("explain"),
        scheme: Scheme::Https,
        server_name: None,
        worker: 0,
        tasks: Tasks::default(),
    };
    Caller::new(Arc::new(peer), Duration::ZERO, Proxies::default())
}

/// For which requests a route is.
fn applies(route: &Route) -> String {
    let mut words = vec![format!("path {}", quoted(&route.when.path))];
    if !route.when.hosts.is_empty() {
        words.push(format!("host {}", listed(&route.when.hosts)));
    }
    if route.when.methods.are_listed() {
        words.push(format!("method {}", route.when.methods));
    }
    words.join(", ")
}

fn quoted(word: impl Display) -> String {
    format!("\"{word}\"")
}

fn listed(words: &[impl ToString]) -> String {
    let words: Vec<_> = words.iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// What was found out, line by line.
#[derive(Debug, Default)]
struct Explanation {
    passes: bool,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    word: &'static str,
    finding: String,
    place: String,
    detail: String,
}

impl Explanation {
    fn add(&mut self, word: &'static str, finding: &str, place: &str, detail: &str) {
        self.rows.push(Row {
            word,
            finding: finding.to_owned(),
            place: place.to_owned(),
            detail: detail.to_owned(),
        });
    }

    fn scope(&mut self, finding: &str, needed: &Scope, held: &Scope) {
        let words = |scope: &Scope| {
            if scope.is_empty() {
                "none".to_owned()
            } else {
                scope.to_string()
            }
        };
        let detail = format!("needs {}, token has {}", words(needed), words(held));
        self.add("scope", finding, "", &detail);
    }

    fn text(&self) -> String {
        let width = |cell: fn(&Row) -> &str| {
            let cells = self.rows.iter().map(|row| cell(row).chars().count());
            cells.max().unwrap_or(0)
        };
        let (words, findings, places) = (
            width(|row| row.word),
            width(|row| &row.finding),
            width(|row| &row.place),
        );
        let line = |row: &Row| {
            let Row {
                word,
                finding,
                place,
                detail,
            } = row;
            let line = format!("{word:words$}  {finding:findings$}  {place:places$}  {detail}");
            line.trim_end().to_owned()
        };
        let lines: Vec<String> = self.rows.iter().map(line).collect();
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "what": row.word.trim(),
                "finding": row.finding,
                "place": row.place,
                "detail": row.detail,
            })
        };
        let rows: Vec<_> = self.rows.iter().map(row).collect();
        json!({ "allow": self.passes, "steps": rows })
    }
}
