//! What an operator does to people, programs and keys while the gateway runs, and what becomes of those it is done to.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::former;
use crate::postgres::Server;
use crate::tollgate::{DEADLINE, Place, RUN, Running, answer, hello, notes};
use crate::wire::{Request, Upstream};

/// A running gateway, the upstream behind it, and the folder in which commands about it are given.
struct House {
    place: Place,
    upstream: Upstream,
    gateway: Running,
    address: std::net::SocketAddr,
    authority: PathBuf,
}

/// Somebody's two tokens.
struct Tokens {
    access: String,
    refresh: String,
}

const PASSWORD: &str = "sesame street";

impl House {
    fn open(place: Place) -> Self {
        let upstream = Upstream::start();
        let mut gateway = place.run(upstream.address);
        let (address, authority) = (gateway.address(), gateway.authority());
        Self {
            place,
            upstream,
            gateway,
            address,
            authority,
        }
    }

    /// One in which people have sessions.
    fn with_people() -> Self {
        let file = hello();
        let scope = file.lines().find(|line| line.starts_with("require."));
        let file = file.replace(scope.unwrap(), "issuers = [\"spaces\"]");
        let house = Self::open(Place::with(
            &(file + "[dialect.spaces]\nspeak = \"nexudus\"\n"),
        ));
        for name in ["ada@space.test", "bob@space.test"] {
            let words = ["user", "add", name, "--mount", "spaces"];
            let output = house.place.obey_with(&words, &format!("{PASSWORD}\n"));
            assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
        }
        house
    }

    /// Obeys a command that must succeed.
    fn done(&self, words: &[&str]) -> Output {
        let output = self.place.obey(words);
        assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
        output
    }

    /// What a command answers in JSON.
    fn told(&self, words: &[&str]) -> Vec<Value> {
        let output = self.done(&[words, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn logs_in(&self, name: &str, program: &str) -> Tokens {
        let fields = [
            ("grant_type", "password"),
            ("username", name),
            ("password", PASSWORD),
        ];
        let request = Request::form("/api/token", &fields).with("client_id", program);
        let reply = request.send(self.address, &self.authority);
        assert_eq!(reply.status, 200, "{}", reply.body);
        let text = |name: &str| reply.json()[name].as_str().unwrap().to_owned();
        Tokens {
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }

    fn renews(&self, tokens: &Tokens, program: &str) -> u16 {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &*tokens.refresh),
        ];
        let request = Request::form("/api/token", &fields).with("client_id", program);
        request.send(self.address, &self.authority).status
    }

    /// What the route says to a token.
    fn opens(&self, access: &str) -> u16 {
        self.upstream.answer();
        let request = Request::get("/orders/7").bearer(access);
        request.send(self.address, &self.authority).status
    }

    /// A token as a client of its own, if it gets one.
    fn token(&self, client: &str, secret: &str) -> Result<String, u16> {
        let reply = Request::token(client, secret).send(self.address, &self.authority);
        match reply.status {
            200 => Ok(reply.json()["access_token"].as_str().unwrap().to_owned()),
            status => Err(status),
        }
    }

    /// The names of the published keys, in their order.
    fn published(&self) -> Vec<String> {
        let keys = Request::get("/oauth/jwks").send(self.address, &self.authority);
        let keys = keys.json()["keys"].as_array().unwrap().clone();
        let name = |key: &Value| key["kid"].as_str().unwrap().to_owned();
        keys.iter().map(name).collect()
    }

    /// Asks again and again: what a command changes, a running gateway knows within a second.
    fn soon(&mut self, is_so: impl Fn(&Self) -> bool) {
        let begun = std::time::Instant::now();
        while !is_so(self) {
            let log = self.gateway.overheard();
            assert!(begun.elapsed() < DEADLINE, "waited in vain:\n{log}");
        }
    }
}

#[test]
fn a_session_that_is_listed_can_be_ended_by_its_name_and_by_whose_it_is() {
    let mut house = House::with_people();
    let phone = house.logs_in("ada@space.test", "phone");
    let desk = house.logs_in("ada@space.test", "desk");
    let other = house.logs_in("bob@space.test", "phone");
    for tokens in [&phone, &desk, &other] {
        assert_eq!(house.opens(&tokens.access), 200);
    }
    let list = ["session", "list", "--mount", "spaces"];
    let all = house.told(&list);
    assert_eq!(all.len(), 3, "{all:?}");
    let of_ada = house.told(&[&list[..], &["--user", "ada@space.test"]].concat());
    let mut programs: Vec<&Value> = of_ada.iter().map(|session| &session["client"]).collect();
    programs.sort_by_key(ToString::to_string);
    assert_eq!(programs, ["desk", "phone"]);
    let said = answer(&house.done(&list));
    for session in &all {
        let name = session["session"].as_str().unwrap();
        assert!(said.contains(name), "{said}");
        for tokens in [&phone, &desk, &other] {
            assert!(!said.contains(&tokens.refresh), "{said}");
        }
    }

    let of_phone = of_ada.iter().find(|session| session["client"] == "phone");
    let name = of_phone.unwrap()["session"].as_str().unwrap();
    let revoke = ["session", "revoke", "--mount", "spaces"];
    let output = house.done(&[&revoke[..], &[name]].concat());
    assert!(notes(&output).contains("ended: 1"), "{}", notes(&output));
    house.soon(|house| house.opens(&phone.access) == 401);
    assert_eq!(house.renews(&phone, "phone"), 400);
    assert_eq!(house.opens(&desk.access), 200);
    assert_eq!(house.opens(&other.access), 200);
    assert_eq!(house.told(&list).len(), 2);

    let output = house.done(&[&revoke[..], &["--user", "ada@space.test"]].concat());
    assert!(notes(&output).contains("ended: 1"), "{}", notes(&output));
    house.soon(|house| house.opens(&desk.access) == 401);
    assert_eq!(house.renews(&desk, "desk"), 400);
    assert_eq!(house.opens(&other.access), 200);
    let left = house.told(&list);
    assert_eq!(left.len(), 1, "{left:?}");

    // Whose they are is one thing; where, alone, is not enough to end anything.
    let nobody = house.place.obey(&revoke);
    assert_eq!(nobody.status.code(), Some(2), "{}", notes(&nobody));
    let two = [
        &revoke[..],
        &["--client", "phone", "--user", "bob@space.test"],
    ]
    .concat();
    let two = house.place.obey(&two);
    assert_eq!(two.status.code(), Some(2), "{}", notes(&two));
    assert_eq!(house.opens(&other.access), 200);

    let output = house.done(&[&revoke[..], &["--client", "phone"]].concat());
    assert!(notes(&output).contains("ended: 1"), "{}", notes(&output));
    house.soon(|house| house.opens(&other.access) == 401);
    assert!(house.told(&list).is_empty());
}

#[test]
fn a_client_that_is_enabled_again_is_served_and_one_that_is_removed_is_nobody() {
    let mut house = House::open(Place::hello());
    let output = house.done(&["client", "add", "cart", "--scope", "orders:read"]);
    let secret = notes(&output)
        .trim_end()
        .rsplit(' ')
        .next()
        .unwrap()
        .to_owned();
    let token = house.token("cart", &secret).unwrap();
    assert_eq!(house.opens(&token), 200);

    house.done(&["client", "disable", "cart"]);
    house.soon(|house| house.token("cart", &secret) == Err(401));
    house.done(&["client", "enable", "cart"]);
    house.soon(|house| house.token("cart", &secret).is_ok());
    let listed = house.told(&["client", "list"]);
    let cart = listed.iter().find(|client| client["name"] == "cart");
    assert_eq!(cart.unwrap()["status"], "active", "{listed:?}");

    house.done(&["client", "remove", "cart"]);
    house.soon(|house| house.token("cart", &secret) == Err(401));
    house.soon(|house| house.opens(&token) == 401);
    let listed = house.told(&["client", "list"]);
    assert!(listed.iter().all(|client| client["name"] != "cart"));
    for command in ["remove", "enable", "disable"] {
        let output = house.place.obey(&["client", command, "cart"]);
        assert_eq!(output.status.code(), Some(1), "{}", notes(&output));
    }
}

#[test]
fn a_key_is_published_before_it_signs_and_one_that_signs_no_more_is_still_believed() {
    let mut house = House::open(Place::hello());
    let secret = fs::read_to_string(house.place.path().join("shop.secret")).unwrap();
    let secret = secret.trim();
    let token = |house: &House| house.token("shop", secret).unwrap();
    let first = house.published();
    let old = token(&house);
    assert_eq!(signer(&old), first[0]);

    let next = answer(&house.done(&["key", "rotate"]));
    let both = [first[0].clone(), next.clone()];
    house.soon(|house| house.published() == both);
    assert_eq!(signer(&token(&house)), first[0], "not before a day is over");
    let states = |house: &House| -> Vec<(String, String)> {
        let text = |key: &Value, name: &str| key[name].as_str().unwrap().to_owned();
        let keys = house.told(&["key", "list"]);
        let states = keys
            .iter()
            .map(|key| (text(key, "kid"), text(key, "state")));
        states.collect()
    };
    let expected = [(&first[0], "active"), (&next, "pending")];
    for (kid, state) in expected {
        let said = states(&house);
        assert!(said.contains(&(kid.clone(), state.to_owned())), "{said:?}");
    }

    house.done(&["key", "retire", &first[0]]);
    house.soon(|house| signer(&token(house)) == next);
    for (kid, state) in [(&first[0], "retiring"), (&next, "active")] {
        let said = states(&house);
        assert!(said.contains(&(kid.clone(), state.to_owned())), "{said:?}");
    }
    assert_eq!(house.published(), [next.clone(), first[0].clone()]);
    assert_eq!(
        house.opens(&old),
        200,
        "what it signed is as good as it was"
    );
    let new = token(&house);
    assert_eq!(house.opens(&new), 200);
}

/// The name of the key that signed a token (RFC 7515 §4.1.4).
fn signer(token: &str) -> String {
    let (head, _) = token.split_once('.').unwrap();
    let head = BASE64_URL_SAFE_NO_PAD.decode(head).unwrap();
    let head: Value = serde_json::from_slice(&head).unwrap();
    head["kid"].as_str().unwrap().to_owned()
}

#[test]
fn what_a_password_costs_is_said_for_the_settings_there_are_and_for_others() {
    let place = Place::with(&(hello() + "[passwords]\nmemory = \"8MiB\"\npasses = 1\n"));
    let output = place.obey(&["user", "password", "calibrate"]);
    assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
    let said = answer(&output);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 5, "{said}");
    assert!(lines[0].starts_with("MEMORY"), "{said}");
    assert!(lines[1].starts_with("8MiB"), "{said}");
    let timed = |line: &&str| line.trim_end().ends_with(" ms");
    assert!(lines[1..].iter().all(timed), "{said}");
}

#[test]
fn a_node_whose_clock_differs_from_that_of_the_store_does_not_start() {
    let server = Server::shared();
    let url = server.database();
    let place = Place::with(&format!("{}[store]\nurl = \"{url}\"\n", hello()));
    for (offset, said) in [
        ("7 seconds", "s behind that of the store"),
        ("-1 hour", "s ahead of that of the store"),
    ] {
        lies(server, &url, offset);
        let refused = place.obey(&RUN);
        assert_eq!(refused.status.code(), Some(1), "{}", notes(&refused));
        for words in [said, "NTP"] {
            assert!(notes(&refused).contains(words), "{}", notes(&refused));
        }
    }
    lies(server, &url, "-1 second");
    House::open(place);
}

/// Has the clock of a database differ from that of the machine.
fn lies(server: &Server, url: &str, offset: &str) {
    let (before, _) = url.split_once('?').unwrap();
    let (_, name) = before.rsplit_once('/').unwrap();
    let clock = format!(
        "CREATE SCHEMA IF NOT EXISTS elsewhere;
         CREATE OR REPLACE FUNCTION elsewhere.clock_timestamp() RETURNS timestamptz LANGUAGE sql
         AS $$ SELECT pg_catalog.clock_timestamp() + interval '{offset}' $$;
         ALTER DATABASE {name} SET search_path = elsewhere, pg_catalog, public;"
    );
    server.run("psql", &["-q", "-d", name, "-c", &clock]);
}

#[test]
fn a_store_of_the_first_schema_is_left_alone_until_it_is_told_to_move_on() {
    for url in [None, Some(Server::shared().database())] {
        let place = Place::hello();
        make(place.path(), url.as_deref());
        let url = format!(
            "store.url={}",
            url.as_deref().unwrap_or("sqlite:tollgate.db")
        );
        let obey = |words: &[&str]| {
            let settings = ["--set", &url, "--set", "store.migrate=check"];
            place.obey(&[words, &settings].concat())
        };
        for words in [&RUN[..], &["store", "status"], &["client", "list"]] {
            let refused = obey(words);
            assert_ne!(refused.status.code(), Some(0), "{words:?}");
            let said = notes(&refused);
            assert!(said.contains("its schema is 1"), "{said}");
            assert!(said.contains("tollgate store migrate"), "{said}");
        }
        let moved = obey(&["store", "migrate"]);
        assert_eq!(moved.status.code(), Some(0), "{}", notes(&moved));
        assert!(
            answer(&moved).contains("is at schema 2"),
            "{}",
            answer(&moved)
        );

        let status = obey(&["store", "status", "--deep", "--json"]);
        assert_eq!(status.status.code(), Some(0), "{}", notes(&status));
        let status: Value = serde_json::from_slice(&status.stdout).unwrap();
        assert_eq!(status["schema"], 2, "{status}");
        let expected = json!({
            "account": 2, "client": 1, "signing_key": 1, "session": 4, "lifetime": 0, "one_time": 2, "consent": 1,
            "revocation": 2,
        });
        assert_eq!(status["rows"], expected);
        let listed = obey(&["client", "list", "--json"]);
        assert!(answer(&listed).contains("cart"), "{}", notes(&listed));
    }
}

/// A store of the first schema, on a server or where the program looks for its file.
fn make(folder: &Path, url: Option<&str>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let data = folder.join("tollgate-data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    match url {
        Some(url) => runtime.block_on(former::on_server(url)),
        None => runtime.block_on(former::in_file(&data.join("tollgate.db"))),
    }
}
