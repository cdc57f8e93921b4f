//! The commands that act on the store, beside a running gateway: secrets in, answers out, nothing else on the way.

use serde_json::{Value, json};

use crate::tollgate::{Place, Running, answer, hello, notes};
use crate::wire::{Reply, Request, Upstream};

#[test]
fn a_client_that_is_added_beside_a_running_gateway_is_served() {
    let (place, upstream) = (Place::hello(), Upstream::start());
    let mut gateway = place.run(upstream.address);
    let (address, authority) = (gateway.address(), gateway.authority());

    let output = place.obey(&["client", "add", "cart", "--scope", "orders:read"]);
    assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
    assert_eq!(answer(&output), "", "the secret is no answer");
    let first = last_word(&notes(&output));
    assert_eq!(
        Request::token("cart", &first)
            .send(address, &authority)
            .status,
        200
    );

    let output = place.obey(&["client", "rotate-secret", "cart"]);
    let second = last_word(&notes(&output));
    assert_ne!(first, second);
    assert_eq!(
        Request::token("cart", &first)
            .send(address, &authority)
            .status,
        401
    );
    assert_eq!(
        Request::token("cart", &second)
            .send(address, &authority)
            .status,
        200
    );

    let output = place.obey(&["client", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let cart =
        json!({"name": "cart", "place": "store", "status": "active", "scope": "orders:read"});
    assert_eq!(listed[1], cart, "{listed}");
    assert!(!answer(&output).contains(&second));

    assert_eq!(
        place.obey(&["client", "disable", "cart"]).status.code(),
        Some(0)
    );
    assert_eq!(
        Request::token("cart", &second)
            .send(address, &authority)
            .status,
        401
    );
}

#[test]
fn a_name_that_is_taken_or_unknown_is_a_no() {
    let place = Place::hello();
    let taken = place.obey(&["client", "add", "shop"]);
    assert_eq!(taken.status.code(), Some(1), "{}", notes(&taken));
    let unknown = place.obey(&["client", "rotate-secret", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(notes(&unknown).contains("nobody"), "{}", notes(&unknown));
}

#[test]
fn a_token_from_the_command_line_is_bare_and_opens_the_api() {
    let (place, upstream) = (Place::hello(), Upstream::start());
    let mut gateway = place.run(upstream.address);
    let (address, authority) = (gateway.address(), gateway.authority());

    let words = [
        "token",
        "mint",
        "--subject",
        "ada",
        "--scope",
        "orders:read",
    ];
    // The port is part of the issuer's identifier, so both must be told the same.
    let port = ["--set", "listener.public.address=127.0.0.1:0"];
    let output = place.obey(&[&words[..], &port].concat());
    assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
    let token = answer(&output);
    assert_eq!(token.split('.').count(), 3);
    assert!(notes(&output).contains("ada") && !notes(&output).contains(&token));
    upstream.answer();
    let reply = Request::get("/orders/7")
        .bearer(&token)
        .send(address, &authority);
    assert_eq!(reply.status, 200, "{}", reply.body);

    let output = place.obey_with(&["token", "inspect"], &token);
    let inspected: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(inspected["claims"]["sub"], "ada");
    assert_eq!(inspected["header"]["typ"], "at+jwt");

    let keys = place.obey(&["key", "export"]);
    std::fs::write(place.path().join("keys.json"), &keys.stdout).unwrap();
    let verify = ["token", "verify", "--key", "keys.json"];
    let output = place.obey_with(&verify, &token);
    assert_eq!(
        (output.status.code(), answer(&output).as_str()),
        (Some(0), "valid")
    );
    let output = place.obey_with(&verify, &format!("{token}\nx.{token}\n"));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        answer(&output).starts_with("valid\nmalformed_token: "),
        "{}",
        answer(&output)
    );
}

#[test]
fn a_token_is_fetched_and_taken_back_from_the_command_line() {
    let (place, upstream) = (Place::hello(), Upstream::start());
    let mut gateway = place.run(upstream.address);
    let (address, authority) = (gateway.address(), gateway.authority());
    let url = format!("https://localhost:{}/oauth/token", address.port());
    let ca = authority.to_str().unwrap();
    let asked = ["--url", &url, "--client", "shop", "--ca", ca];
    let fetch = [&["token", "fetch"][..], &asked].concat();
    let output = place.obey(&[&fetch[..], &["--secret-file", "shop.secret"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
    let token = answer(&output);
    assert!(notes(&output).contains("good for 600 s"));
    let open = || {
        upstream.answer();
        let request = Request::get("/orders/7").bearer(&token);
        request.send(address, &authority).status
    };
    assert_eq!(open(), 200);

    let wrong = place.obey_with(&fetch, "a wr0ng secret\n");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        notes(&wrong).contains("invalid_client"),
        "{}",
        notes(&wrong)
    );
    assert!(!notes(&wrong).contains("wr0ng"));

    let port = ["--set", "listener.public.address=127.0.0.1:0"];
    let revoke = [&["token", "revoke"][..], &port].concat();
    let output = place.obey_with(&revoke, &token);
    assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
    let start = std::time::Instant::now();
    while open() == 200 {
        assert!(start.elapsed() < crate::tollgate::DEADLINE);
    }
    let output = place.obey_with(&revoke, "x.y.z");
    assert_eq!(output.status.code(), Some(1), "{}", notes(&output));
}

#[test]
fn sessions_are_listed_and_those_that_are_not_there_are_a_no() {
    let place = Place::hello();
    let output = place.obey(&["session", "list", "--json"]);
    assert_eq!(answer(&output), "[]", "{}", notes(&output));
    for words in [
        &["session", "revoke", "00000000000000000000000000000000"][..],
        &["session", "revoke", "x"],
        &["session", "revoke", "--user", "nobody"],
        &["session", "list", "--user", "nobody"],
    ] {
        let output = place.obey(words);
        assert_eq!(output.status.code(), Some(1), "{}", notes(&output));
    }
    let nothing = place.obey(&["session", "revoke"]);
    assert_eq!(nothing.status.code(), Some(2), "{}", notes(&nothing));
    let client = place.obey(&["session", "revoke", "--client", "shop"]);
    assert_eq!(client.status.code(), Some(0), "{}", notes(&client));
}

#[test]
fn people_are_managed_with_passwords_from_standard_input() {
    let hub = "[dialect.hub]\nspeak = \"nexushub\"\npath = \"/hub\"\n[dialect.oauth]\nspeak = \"oauth2\"\npath = \"/oauth\"\n";
    let file = hello().replace(
        "path = \"/orders/**\"",
        "path = \"/orders/**\"\nissuers = [\"oauth\"]",
    );
    let place = Place::with(&(file + hub));
    let hub = ["--mount", "hub"];
    let output = place.obey_with(
        &[&["user", "add", "ada"][..], &hub].concat(),
        "sesame street\n",
    );
    assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
    assert!(answer(&output).starts_with("ada-"), "{}", answer(&output));
    assert!(!notes(&output).contains("sesame"));

    let output = place.obey(&[&["user", "scope", "ada", "write_notes"][..], &hub].concat());
    assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
    for command in ["reset-refresh", "disable", "enable"] {
        let output = place.obey(&[&["user", command, "ada"][..], &hub].concat());
        assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
    }
    let output = place.obey(&[&["user", "list", "--json"][..], &hub].concat());
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&listed[0]["name"], &listed[0]["scope"]),
        (&json!("ada"), &json!("write_notes"))
    );

    let nothing = place.obey(&[&["user", "passwd", "ada"][..], &hub].concat());
    assert_eq!(nothing.status.code(), Some(2), "{}", notes(&nothing));
    let which = place.obey(&["user", "list"]);
    assert_eq!(which.status.code(), Some(2));
    assert!(notes(&which).contains("--mount"), "{}", notes(&which));
}

#[test]
fn nh_20_the_operator_resets_a_refresh_token_of_a_running_gateway() {
    let hub = "[dialect.hub]\nspeak = \"nexushub\"\npath = \"/hub\"\nregister = \"open\"\n";
    let place = Place::with(&(hello() + hub));
    let upstream = Upstream::start();
    let mut gateway = place.run(upstream.address);
    let (address, authority) = (gateway.address(), gateway.authority());
    let post = |path, body| Request::json(path, &body).send(address, &authority);
    let ada = json!({ "user_id": "ada", "user_secret": "sesame street" });
    let key = post("/hub/register", ada).json()["user_key"].clone();
    let login = || {
        post(
            "/hub/authenticate",
            json!({ "user_key": key, "user_secret": "sesame street" }),
        )
    };
    let first = login().json()["refresh_token"].clone();
    assert_eq!(
        post("/hub/refresh", json!({ "refresh_token": first })).status,
        200
    );

    let output = place.obey(&["user", "reset-refresh", "ada"]);
    assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
    assert_eq!(
        post("/hub/refresh", json!({ "refresh_token": first })).status,
        403
    );
    let second = login().json()["refresh_token"].clone();
    assert_ne!(first, second);
    assert_eq!(
        post("/hub/refresh", json!({ "refresh_token": second })).status,
        200
    );
}

#[test]
fn nh_6_a_token_is_verified_with_the_key_that_the_operator_hands_out() {
    let hub = "[dialect.hub]\nspeak = \"nexushub\"\npath = \"/hub\"\nregister = \"open\"\n[dialect.oauth]\nspeak = \"oauth2\"\npath = \"/oauth\"\n";
    let file = hello().replace(
        "path = \"/orders/**\"",
        "path = \"/orders/**\"\nissuers = [\"oauth\"]",
    );
    let place = Place::with(&(file + hub));
    let upstream = Upstream::start();
    let mut gateway = place.run(upstream.address);
    let (address, authority) = (gateway.address(), gateway.authority());
    let post = |path, body| Request::json(path, &body).send(address, &authority).json();
    let ada = json!({ "user_id": "ada", "user_secret": "sesame street" });
    let key = post("/hub/register", ada)["user_key"].clone();
    let login = json!({ "user_key": key, "user_secret": "sesame street" });
    let token = post("/hub/authenticate", login)["access_token"].clone();
    let token = token.as_str().unwrap();

    let export = |mount, format| {
        let output = place.obey(&["key", "export", "--mount", mount, "--format", format]);
        assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
        answer(&output)
    };
    let pem = export("hub", "pem");
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----"), "{pem}");
    let set: Value = serde_json::from_str(&export("hub", "jwks")).unwrap();
    let judged = |keys: &str| {
        std::fs::write(place.path().join("keys"), keys).unwrap();
        let output = place.obey_with(&["token", "verify", "--key", "keys"], token);
        (output.status.code(), answer(&output))
    };
    let valid = (Some(0), "valid".to_owned());
    assert_eq!(judged(&pem), valid, "a key in PEM");
    assert_eq!(judged(&set["keys"][0].to_string()), valid, "one JWK");
    assert_eq!(judged(&set.to_string()), valid, "a set");
    let (code, verdict) = judged(&export("oauth", "pem"));
    assert_eq!(code, Some(1), "another mount's key: {verdict}");
    assert_ne!(verdict, "valid");
}

#[test]
fn a_person_whose_password_is_changed_or_who_is_disabled_is_known_at_once() {
    // N-16
    let hub = "[dialect.hub]\nspeak = \"nexushub\"\npath = \"/hub\"\nregister = \"open\"\n";
    let place = Place::with(&(hello() + hub));
    let upstream = Upstream::start();
    let mut gateway = place.run(upstream.address);
    let (address, authority) = (gateway.address(), gateway.authority());
    let post = |path, body| Request::json(path, &body).send(address, &authority);
    let ada = json!({ "user_id": "ada", "user_secret": "sesame street" });
    let key = post("/hub/register", ada).json()["user_key"].clone();
    let login = |secret| {
        let pair = json!({ "user_key": key, "user_secret": secret });
        post("/hub/authenticate", pair)
    };
    let refresh = |token: &Value| post("/hub/refresh", json!({ "refresh_token": token }));
    let refused = |reply: &Reply| {
        assert_eq!(reply.status, 403, "{}", reply.body);
        let said = json!({ "error": "Unauthorized.", "reason": "Credentials not recognized." });
        assert_eq!(reply.json(), said);
    };
    let first = login("sesame street").json()["refresh_token"].clone();

    let output = place.obey_with(&["user", "passwd", "ada"], "oscar's can\n");
    assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
    assert!(!notes(&output).contains("oscar") && answer(&output).is_empty());
    refused(&login("sesame street"));
    refused(&refresh(&first));
    let second = login("oscar's can");
    assert_eq!(second.status, 200, "{}", second.body);
    let second = second.json()["refresh_token"].clone();
    assert_eq!(refresh(&second).status, 200);

    let output = place.obey(&["user", "disable", "ada"]);
    assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
    refused(&login("oscar's can"));
    refused(&refresh(&second));
    let output = place.obey(&["user", "enable", "ada"]);
    assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
    assert_eq!(login("oscar's can").status, 200);
}

#[test]
fn people_are_brought_along_in_a_file_and_shown_without_their_hashes() {
    let hub = "[dialect.hub]\nspeak = \"nexushub\"\npath = \"/hub\"\n";
    let place = Place::with(&(hello() + hub));
    let hash = "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";
    let good = format!(
        "{{\"name\":\"ada\",\"email\":\"ada@example.com\",\"scopes\":[\"a\",\"b\"],\"hash\":\"{hash}\"}}\n"
    );
    let bad = format!("{good}\n{{\"name\":\"bob\",\"hash\":\"plain\"}}\n");
    std::fs::write(place.path().join("people.jsonl"), &bad).unwrap();
    let output = place.obey(&["user", "import", "people.jsonl"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(notes(&output).contains("line 3"), "{}", notes(&output));
    let nobody = place.obey(&["user", "show", "ada"]);
    assert_eq!(nobody.status.code(), Some(1), "half of the file was taken");

    let output = place.obey_with(&["user", "import", "-"], &good);
    assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
    let output = place.obey(&["user", "show", "ada", "--json"]);
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&shown["scope"], &shown["email"], &shown["has_password"]),
        (&json!("a b"), &json!("ada@example.com"), &json!(true))
    );
    assert!(!answer(&output).contains(hash));
    let output = place.obey_with(&["user", "password", "hash"], "correct horse\n");
    assert!(
        answer(&output).starts_with("$argon2id$"),
        "{}",
        notes(&output)
    );
}

#[test]
fn a_key_that_is_rotated_or_revoked_beside_a_running_gateway_is_known_to_it_within_a_second() {
    let (place, upstream) = (Place::hello(), Upstream::start());
    let mut gateway = place.run(upstream.address);
    let (address, authority) = (gateway.address(), gateway.authority());
    let kids = || -> Vec<String> {
        let keys = Request::get("/oauth/jwks").send(address, &authority).json();
        let keys = keys["keys"].as_array().unwrap();
        keys.iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = kids();
    let output = place.obey(&["key", "rotate", "--now"]);
    assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
    let second = answer(&output);
    eventually(&mut gateway, || kids().first() == Some(&second));
    assert_eq!(kids(), [second.clone(), first[0].clone()]);

    let output = place.obey(&["key", "retire", &first[0], "--revoke"]);
    assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
    eventually(&mut gateway, || kids() == [second.as_str()]);
    let output = place.obey(&["key", "list", "--json"]);
    let keys: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (keys.as_array().unwrap().len(), &keys[0]["kid"]),
        (1, &json!(second))
    );
    // A thumbprint may begin with a hyphen.
    for unknown in ["nothing", "-nothing"] {
        let output = place.obey(&["key", "retire", unknown]);
        assert_eq!(output.status.code(), Some(1), "{}", notes(&output));
    }
}

/// Asks again and again, for as long as anything may take.
fn eventually(gateway: &mut Running, is_so: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(
            begun.elapsed() < crate::tollgate::DEADLINE,
            "waited in vain:\n{}",
            gateway.overheard()
        );
    }
}

#[test]
fn a_route_is_explained_by_the_code_that_judges() {
    let place = Place::hello();
    let url = "https://localhost:8443/orders/7";
    let explain = ["route", "explain", "GET", url];

    let output = place.obey(&explain);
    assert_eq!(output.status.code(), Some(1), "{}", notes(&output));
    assert!(
        answer(&output).contains("401 missing_token"),
        "{}",
        answer(&output)
    );

    let claims = [&explain[..], &["--claims", r#"{"scope":"profile"}"#]].concat();
    let output = place.obey(&claims);
    assert_eq!(output.status.code(), Some(1));
    let told = answer(&output);
    for words in [
        "orders",
        "tollgate.toml:6",
        "needs orders:read, token has profile",
        "403 insufficient_scope",
    ] {
        assert!(told.contains(words), "no {words:?} in\n{told}");
    }

    let claims = [
        &explain[..],
        &["--json", "--claims", r#"{"scope":"orders:read profile"}"#],
    ]
    .concat();
    let output = place.obey(&claims);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        answer(&output),
        notes(&output)
    );
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["allow"], true);

    let expired = [
        &explain[..],
        &["--claims", r#"{"scope":"orders:read","exp":1}"#],
    ]
    .concat();
    assert!(answer(&place.obey(&expired)).contains("401 expired"));
    let nowhere = place.obey(&["route", "explain", "GET", "https://localhost/nowhere"]);
    assert!(
        answer(&nowhere).contains("404 no_route"),
        "{}",
        answer(&nowhere)
    );
}

#[test]
fn routes_and_keys_are_listed_for_people_and_programs() {
    let place = Place::hello();
    let output = place.obey(&["route", "list", "--json"]);
    let routes: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(routes[0]["demands"], "a token with orders:read");
    assert_eq!(routes[0]["issuers"], json!(["oauth"]));
    let output = place.obey(&["key", "list", "--json"]);
    let keys: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&keys[0]["mount"], &keys[0]["algorithm"], &keys[0]["state"]),
        (&json!("oauth"), &json!("ES256"), &json!("active"))
    );
    let pem = place.obey(&["key", "export", "--format", "pem"]);
    assert!(answer(&pem).starts_with("-----BEGIN PUBLIC KEY-----"));
}

fn last_word(text: &str) -> String {
    text.split_whitespace().last().unwrap().to_owned()
}
