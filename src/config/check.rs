//! What no section sees alone: that the names in one exist in another, and that there is something to do.

use http::HeaderName;

use super::Config;
use crate::dialect::MountSettings;
use crate::forward::IdentityHeader;
use crate::route::{Access, AmbiguousPaths, RouteSettings, SocketHandling};
use crate::settings::{Document, Dotted, Place, Problem, nearest};

/// Adds everything that is wrong between sections. The configuration has been settled.
pub(super) fn check(config: &Config, document: &Document, problems: &mut Vec<Problem>) {
    let broken = problems
        .iter()
        .filter_map(|problem| problem.place.path().cloned())
        .collect();
    let mut check = Check {
        config,
        document,
        broken,
        problems,
    };
    check.entrances();
    check.names();
    for (name, route) in &config.route {
        check.route(&Dotted::from("route").key(name), route);
    }
    check.upstreams();
    check.log_level();
    check.kinds();
    check.claims();
}

/// A configuration beside what was written. What could not be read has been reported and is missing from the
/// configuration: so whether a name exists is asked of the document.
pub(super) struct Check<'a> {
    pub(super) config: &'a Config,
    pub(super) document: &'a Document,
    pub(super) broken: Vec<Dotted>,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Check<'_> {
    /// Whether everything in this table could be read.
    pub(super) fn is_whole(&self, table: &Dotted) -> bool {
        !self.broken.iter().any(|path| path.is_within(table))
    }

    pub(super) fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Somebody must be able to come in, and two cannot use one door.
    fn entrances(&mut self) {
        if self.document.names("listener").is_empty() {
            let message = "there is no [listener.*], so nobody can come in";
            let problem = Problem::error("TG0201", Place::Nowhere, message);
            self.report(
                problem.note("write [listener.public] and below it address = \"127.0.0.1:8443\""),
            );
        }
        let listeners = self.config.listener.iter();
        let listeners = listeners
            .map(|(name, listener)| (listener.address, Dotted::from("listener").key(name)));
        let admin = (self.config.admin.address, Dotted::from("admin"));
        if !admin.0.ip().to_canonical().is_loopback() {
            let place = Place::value(admin.1.key("address"));
            let message = "whoever reaches this address may read what the gateway counts";
            let problem = Problem::warning("TG0205", place, message);
            self.report(
                problem.help("listen on 127.0.0.1, or let nobody but your probes come here"),
            );
        }
        let doors: Vec<_> = listeners.chain([admin]).collect();
        for (index, (address, path)) in doors.iter().enumerate() {
            let mut before = doors.iter().take(index);
            // With port 0 the system chooses, and never twice the same.
            if let Some((_, first)) =
                before.find(|(other, _)| address.port() != 0 && other == address)
            {
                let message = format!("[{path}] and [{first}] share the address {address}");
                let problem = Problem::error("TG0202", Place::value(path.key("address")), message);
                self.report(problem.see(Place::value(first.key("address")), "taken here"));
            }
        }
    }

    /// Names become labels in logs and metrics, and parts of URLs; and one name means one issuer.
    fn names(&mut self) {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        for section in ["listener", "upstream", "issuer", "route", "dialect"] {
            for name in self.document.names(section) {
                if name.is_empty() || !name.chars().all(is_plain) {
                    let place = Place::key(Dotted::from(section).key(name));
                    let problem =
                        Problem::error("TG0203", place, format!("\"{name}\" cannot be a name"));
                    self.problems
                        .push(problem.help("use letters, digits, `-`, `_` and `.`"));
                }
            }
        }
        for name in self.document.names("issuer") {
            if self.config.dialect.contains_key(name) {
                let message = format!(
                    "`{name}` names an issuer and a dialect, and a dialect is an issuer too"
                );
                let place = Place::key(Dotted::from("issuer").key(name));
                let other = Place::key(Dotted::from("dialect").key(name));
                let problem =
                    Problem::error("TG0204", place, message).help("give one another name");
                self.problems.push(problem.see(other, "the dialect"));
            }
        }
    }

    fn route(&mut self, path: &Dotted, route: &RouteSettings) {
        self.find(
            &["upstream"],
            &route.upstream,
            "TG0211",
            &path.key("upstream"),
        );
        for (index, issuer) in route.issuers.iter().enumerate() {
            self.find(
                &["issuer", "dialect"],
                issuer,
                "TG0212",
                &path.key("issuers").item(index),
            );
        }
        if let Some(voice) = &route.voice {
            self.find(&["dialect"], voice, "TG0213", &path.key("voice"));
        }
        if route.auth == Access::Public {
            self.asks_nothing(path);
        } else {
            self.says_whose_tokens(path, route);
        }
        if let Some(prefix) = &route.forward.strip_prefix {
            self.strips_its_own_path(path, route, prefix);
            self.strips_a_path_it_understands(path, route);
        }
        for field in route.forward.identity.keys() {
            self.names_a_field_to_set(path, field);
        }
        if route.socket == SocketHandling::Bridge {
            self.bridges_what_it_understands(path, route);
        }
    }

    /// Messages on a bridge are in the language of the route's voice.
    fn bridges_what_it_understands(&mut self, path: &Dotted, route: &RouteSettings) {
        let issuers = self.config.issuers_of(route);
        let mut voices = route.voice.as_deref().into_iter().chain(issuers);
        let voice = voices.find_map(|name| self.config.dialect.get(name));
        if voice.is_some_and(MountSettings::has_socket) {
            return;
        }
        let message = "nobody here knows how to speak over a WebSocket";
        let problem = Problem::error("TG0221", Place::value(path.key("socket")), message);
        let problem = problem.help("name a `voice` that does, or write `socket = \"pass\"`");
        self.report(problem.note("messages on a bridge are in the language of the route's voice"));
    }

    fn says_whose_tokens(&mut self, path: &Dotted, route: &RouteSettings) {
        let issuers = path.key("issuers");
        if self.document.has(&issuers) {
            if route.issuers.is_empty() && self.is_whole(&issuers) {
                let problem = Problem::error(
                    "TG0215",
                    Place::value(issuers),
                    "no token can be accepted here",
                );
                self.report(problem.help("name an issuer, or write `auth = \"public\"` instead"));
            }
            return;
        }
        let known = self.known(&["issuer", "dialect"]);
        if known.len() > 1 {
            let names: Vec<_> = known.iter().map(|name| format!("\"{name}\"")).collect();
            let message = format!("[{path}] does not say whose tokens it accepts");
            let problem = Problem::error("TG0214", Place::key(path), message);
            let problem = problem.help(format!(
                "add `issuers = [..]`, with some of {}",
                names.join(", ")
            ));
            self.report(
                problem.note(
                    "it may be left out only where the file has one issuer or dialect in all",
                ),
            );
        }
    }

    fn asks_nothing(&mut self, path: &Dotted) {
        for key in ["require", "issuers"] {
            if self.document.has(path.key(key)) {
                let message = format!(
                    "`{key}` means nothing on a public route, where tokens are not looked at"
                );
                let problem = Problem::error("TG0216", Place::key(path.key(key)), message);
                let access = Place::value(path.key("auth"));
                self.report(problem.help("remove it").see(access, "open to everybody"));
            }
        }
    }

    fn strips_its_own_path(&mut self, path: &Dotted, route: &RouteSettings, prefix: &str) {
        let rest = route
            .path
            .as_str()
            .strip_prefix(prefix.trim_end_matches('/'));
        if prefix.starts_with('/')
            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        {
            return;
        }
        let message = format!("\"{prefix}\" is not the beginning of this route's path");
        let problem = Problem::error(
            "TG0217",
            Place::value(path.key("forward").key("strip_prefix")),
            message,
        );
        let place = Place::value(path.key("path"));
        self.report(
            problem
                .help("write whole segments of it, as in \"/orders\"")
                .see(place, "the path"),
        );
    }

    /// All readings of a path lead to the route; what is left of them behind a prefix may lead anywhere.
    fn strips_a_path_it_understands(&mut self, path: &Dotted, route: &RouteSettings) {
        if route.ambiguous_paths == AmbiguousPaths::Refuse {
            return;
        }
        let place = Place::key(path.key("forward").key("strip_prefix"));
        let message = "a path that can be read in several ways has no prefix to take off";
        let problem = Problem::error("TG0223", place, message);
        let agreed = Place::value(path.key("ambiguous_paths"));
        let problem = problem.help("remove one of the two");
        self.report(problem.see(
            agreed,
            "such paths are to be passed on as they were received",
        ));
    }

    /// A claim may fill a field of its own, and none that means something to the messages that carry it.
    fn names_a_field_to_set(&mut self, path: &Dotted, field: &str) {
        let place = Place::key(path.key("forward").key("identity").key(field));
        let problem = match HeaderName::try_from(field) {
            Ok(name) if IdentityHeader::may_be(&name) => return,
            Ok(_) => {
                let message = format!("`{field}` is not to be set from a token");
                let problem = Problem::error("TG0222", place, message);
                problem
                    .help("choose a field of your own, as in `x-user-id`")
                    .note(
                        "what frames a message, belongs to one connection, carries the token or says where a request \
                         came from is the gateway's to set, in any spelling",
                    )
            }
            Err(_) => {
                let message = format!("\"{field}\" is not the name of a header field");
                let problem = Problem::error("TG0222", place, message);
                problem.help("use letters, digits and `-`, as in `x-user-id`")
            }
        };
        self.report(problem);
    }

    /// What was defined should be of use.
    fn upstreams(&mut self) {
        if self.document.names("route").is_empty() {
            let message = "there is no [route.*]: only token endpoints are served";
            self.report(Problem::warning("TG0219", Place::Nowhere, message));
        }
        if !self.is_whole(&Dotted::from("route")) {
            return;
        }
        for name in self.config.upstream.keys() {
            if !self
                .config
                .route
                .values()
                .any(|route| route.upstream == *name)
            {
                let place = Place::key(Dotted::from("upstream").key(name));
                let message = format!("no route leads to upstream \"{name}\"");
                self.problems
                    .push(Problem::warning("TG0218", place, message));
            }
        }
    }

    fn log_level(&mut self) {
        if let Err(error) = self.config.telemetry.log.filter() {
            let problem = Problem::error("TG0220", Place::value("telemetry.log.level"), error);
            self.report(problem.help("write \"info\", or \"info,tollgate::verify=debug\""));
        }
    }

    /// Says so if no table of these sections has this name.
    fn find(&mut self, sections: &[&str], name: &str, code: &'static str, at: &Dotted) {
        let known = self.known(sections);
        if known.contains(&name) {
            return;
        }
        let section = sections.first().copied().unwrap_or_default();
        let problem = Problem::error(
            code,
            Place::value(at),
            format!("{section} \"{name}\" does not exist"),
        );
        let problem = if let Some(near) = nearest(name, known.iter().copied()) {
            let line = |section: &&str| self.document.line_of(Dotted::from(*section).key(near));
            let place = sections
                .iter()
                .find_map(line)
                .map_or_else(String::new, |line| format!(" ({line})"));
            problem.help(format!("did you mean \"{near}\"?{place}"))
        } else if known.is_empty() {
            problem.help(format!("define [{section}.{name}]"))
        } else {
            problem.note(format!("there are: {}", known.join(", ")))
        };
        self.report(problem);
    }

    /// The names of these sections: those written, and the dialects that exist without being written.
    fn known(&self, sections: &[&str]) -> Vec<&str> {
        let mut names: Vec<_> = sections
            .iter()
            .flat_map(|section| self.document.names(*section))
            .collect();
        if sections.contains(&"dialect") {
            names.extend(self.config.dialect.keys().map(String::as_str));
        }
        names.sort_unstable();
        names.dedup();
        names
    }
}
