//! The operator's file: every file in `config/` loads, and every mistake has a good message.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use tollgate::config::{self, Config};
use tollgate::settings::Report;

#[test]
fn every_file_in_the_config_folder_loads_without_a_warning() {
    let mut count = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            match Config::load(&path, &[]) {
                Ok((_, report)) => assert!(report.is_empty(), "{}", report.plain()),
                Err(report) => panic!("{}", report.plain()),
            }
            count += 1;
        }
    }
    assert!(count >= 4);
}

/// Run with `UPDATE=1` to write the files instead.
#[test]
fn the_reference_file_is_the_one_the_program_writes() {
    let path = folder().join("tollgate.toml");
    if std::env::vars().any(|(name, _)| name == "UPDATE") {
        fs::write(&path, config::reference()).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        config::reference(),
        "run this test with UPDATE=1"
    );
}

#[test]
fn every_setting_of_the_reference_file_can_be_written() {
    let reference = config::reference();
    for line in reference
        .lines()
        .filter(|line| line.starts_with('#') && !line.starts_with("# "))
    {
        let setting = line.trim_start_matches('#');
        toml::from_str::<toml::Table>(setting).unwrap_or_else(|error| panic!("{setting}: {error}"));
    }
}

#[test]
fn every_setting_has_a_sentence() {
    let schema = config::schema();
    let mut silent = Vec::new();
    find_silent(schema.as_value(), "", &mut silent);
    assert!(silent.is_empty(), "no doc comment on {}", silent.join(", "));
}

#[test]
fn fr_01_the_twelve_lines_are_a_configuration() {
    let path = folder().join("minimal.toml");
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 12);
    let (config, report) = Config::load(&path, &[]).unwrap();
    assert!(report.is_empty(), "{}", report.plain());
    assert_eq!(config.dialect.keys().collect::<Vec<_>>(), ["oauth"]);
    assert_eq!(config.public_url(), "https://localhost:8443");
    assert_eq!(config.issuers_of(&config.route["orders"]), ["oauth"]);
    assert_eq!(config.open_routes().count(), 0);
    assert_eq!(config.data_dir(), folder().join("tollgate-data"));
    assert_eq!(
        config.server.master_key.file.unwrap().as_path(),
        folder().join("tollgate-data/master.key")
    );
    assert_eq!(
        config.client["shop"]
            .secret
            .as_ref()
            .unwrap()
            .file
            .as_ref()
            .unwrap()
            .as_path(),
        folder().join("shop.secret")
    );
    assert_eq!(config.admin.address.to_string(), "127.0.0.1:9180");
}

#[test]
fn mistakes_of_shape_are_shown_all_at_once() {
    assert_snapshot!(mistakes(
        r#"
[listener.public]
address = "127.0.0.1"
tls = "deb"
[upstream.orders]
uri = "http://127.0.0.1:3000"
[upstream.files]
url = "ftp://127.0.0.1"
timeouts = { connect = 3 }
[route.orders]
path = "/orders/**"
upstreams = "orders"
[route.files]
path = "files"
upstream = "files"
methods = "GET"
body_limit = "10MB"
[server]
worker_threads = "two"
[telemetry.log]
format = "jsn"
[client.shop]
secret = { file = "shop.secret", env = "SHOP" }
"#
    ));
}

#[test]
fn names_that_do_not_exist_are_shown_beside_those_that_do() {
    assert_snapshot!(mistakes(&format!(
        "{HELLO}{}",
        r#"
[route.a]
path = "/a"
upstream = "order"
issuers = ["oaut", "hub"]
voice = "nobody"
"#
    )));
}

#[test]
fn a_mistake_of_shape_does_not_hide_one_of_names_and_causes_no_other() {
    assert_snapshot!(mistakes(&format!(
        "{HELLO}{}",
        r#"
[upstream.broken]
url = 7
[route.a]
path = "/a"
upstream = "broken"
[route.b]
path = "/b"
upstream = "ordres"
[issuer.corp]
kind = "jwt"
issuer = "https://id.example.com/"
audiences = 3
"#
    )));
}

#[test]
fn two_routes_that_tie_are_refused_with_both_places() {
    assert_snapshot!(mistakes(&format!(
        "{HELLO}{}",
        r#"
[route.again]
path = "/orders/**"
upstream = "orders"
[route.write]
path = "/orders/**"
methods = ["POST"]
upstream = "orders"
[route.other_host]
hosts = ["api.example.com"]
path = "/orders/**"
upstream = "orders"
"#
    )));
}

#[test]
fn a_mount_shares_its_place_with_no_one() {
    assert_snapshot!(mistakes(&format!(
        "{HELLO}{}",
        r#"
[dialect.oauth]
speak = "oauth2"
[dialect.second]
speak = "oauth2"
path = "/oauth/"
[route.token]
path = "/oauth/token"
methods = ["POST"]
upstream = "orders"
issuers = ["oauth"]
"#
    )));
}

#[test]
fn a_remote_issuer_says_whom_its_tokens_are_for_and_a_route_whose_it_takes() {
    assert_snapshot!(mistakes(&format!(
        "{HELLO}{}",
        r#"
[issuer.corp]
kind = "jwt"
issuer = "https://id.example.com/"
url = "https://id.example.com/introspect"
[issuer.old]
kind = "introspection"
algorithms = ["RS256"]
"#
    )));
}

#[test]
fn keys_of_another_kind_say_so() {
    assert_snapshot!(mistakes(
        r#"
[listener.public]
address = "0.0.0.0:8443"
tls = { mode = "dev", cert = "a.pem" }
[listener.other]
address = "0.0.0.0:8444"
tls = "files"
[listener.third]
address = "0.0.0.0:8443"
[dialect.oauth]
speak = "oauth2"
register = "open"
hosts = ["api.example.com:443"]
[dialect.bad]
speak = "oauth"
[issuer.oauth]
issuer = "https://id.example.com"
audiences = "any"
"#
    ));
}

#[test]
fn what_is_public_asks_nothing() {
    assert_snapshot!(mistakes(&format!(
        "{HELLO}{}",
        r#"
[route.open]
path = "/open"
upstream = "orders"
auth = "public"
require.scope = "read"
issuers = ["oauth"]
[route.nobody]
path = "/nobody"
upstream = "orders"
issuers = []
forward = { strip_prefix = "/nob" }
[telemetry.log]
level = "info,,=,"
[route."a b"]
path = "/c"
upstream = "orders"
"#
    )));
}

#[test]
fn a_claim_fills_a_field_of_its_own_and_none_of_ours() {
    // HD-02, its neighbour
    assert_snapshot!(mistakes(&format!(
        "{HELLO}{}",
        r#"
[route.a]
path = "/a"
upstream = "orders"
forward.identity = { x-user-id = "sub", "x user" = "name", Content-Length = "size", x_request_id = "jti" }
[route.b]
path = "/b"
upstream = "orders"
auth = "public"
[route.b.forward.identity]
"" = "sub"
"x.forwarded.for" = "address"
"#
    )));
    for field in [
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "Transfer_Encoding",
        "upgrade",
        "proxy-authorization",
        "host",
        "expect",
        "authorization",
        "via",
        "forwarded",
        "x-forwarded-host",
        "x-forwarded-user",
        "x-real-ip",
        "x-user-id:",
        "x-usér",
    ] {
        let route = "[route.a]\npath = \"/a\"\nupstream = \"orders\"\n[route.a.forward.identity]";
        let said = mistakes(&format!("{HELLO}{route}\n\"{field}\" = \"sub\"\n"));
        assert!(said.contains("TG0222"), "{field}: {said}");
        assert!(said.contains("tollgate.toml:16:1"), "{field}: {said}");
    }
}

#[test]
fn a_bridge_needs_a_voice_that_speaks_over_websockets() {
    let route = "[route.ws]\npath = \"/ws\"\nupstream = \"orders\"\nsocket = \"bridge\"\n";
    let said = mistakes(&format!("{HELLO}{route}"));
    assert!(said.contains("TG0221"), "{said}");
}

#[test]
fn two_mounts_do_not_describe_themselves_in_one_place() {
    let mount = |name: &str| {
        format!(
            "[dialect.{name}]\nspeak = \"oauth2\"\npath = \"/{name}\"\nissuer = \"https://{name}.example\"\n"
        )
    };
    let route = "[route.a]\npath = \"/x\"\nupstream = \"orders\"\nissuers = [\"one\"]\n";
    let said = mistakes(&format!("{HELLO}{route}{}{}", mount("one"), mount("two")));
    assert!(said.contains("TG0241"), "{said}");
    assert!(
        said.contains("/.well-known/oauth-authorization-server"),
        "{said}"
    );
}

#[test]
fn an_admin_address_that_others_can_reach_is_a_warning() {
    let file = format!("{HELLO}[admin]\naddress = \"0.0.0.0:9180\"\n");
    let (_, report) = Config::parse("tollgate.toml", &file, Path::new("/etc/tollgate")).unwrap();
    assert!(report.plain().contains("TG0205"), "{}", report.plain());
}

#[test]
fn an_ambiguous_path_has_no_prefix_to_take_off() {
    let route = "[route.files]\npath = \"/files/**\"\nupstream = \"orders\"\nambiguous_paths = \"agree\"\n\
                 forward = { strip_prefix = \"/files\" }\n";
    let said = mistakes(&format!("{HELLO}{route}"));
    assert!(said.contains("TG0223"), "{said}");
}

#[test]
fn what_looks_odd_is_a_warning_and_the_file_still_loads() {
    let (config, report) = Config::parse(
        "tollgate.toml",
        r#"
[listener.public]
address = "0.0.0.0:8080"
[upstream.spare]
url = "http://127.0.0.1:3000"
[client.shop]
secret = { literal = "hunter2" }
"#,
        Path::new("/etc/tollgate"),
    )
    .unwrap();
    assert_eq!(config.public_url(), "http://localhost:8080");
    assert_snapshot!(report.plain());
}

#[test]
fn an_included_file_brings_its_own_folder_and_no_name_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.toml");
    fs::create_dir_all(folder.path().join("conf.d")).unwrap();
    fs::write(&path, format!("include = [\"conf.d/*.toml\"]\n{HELLO}")).unwrap();
    let included = folder.path().join("conf.d/shop.toml");
    fs::write(
        &included,
        "[client.other]\nsecret.file = \"other.secret\"\n",
    )
    .unwrap();
    fs::write(folder.path().join("conf.d/notes.txt"), "not TOML").unwrap();
    let (config, _) = Config::load(&path, &[]).unwrap();
    let secret = config.client["other"]
        .secret
        .as_ref()
        .unwrap()
        .file
        .as_ref()
        .unwrap();
    assert_eq!(secret.as_path(), folder.path().join("conf.d/other.secret"));

    fs::write(
        &included,
        "[client.shop]\nsecret.file = \"b\"\n[route.a]\npath = \"/a\"\nupstream = \"order\"\n",
    )
    .unwrap();
    let report = Config::load(&path, &[]).unwrap_err().plain();
    assert_snapshot!(report.replace(folder.path().to_str().unwrap(), "FOLDER"));
}

#[test]
fn an_override_replaces_one_value_and_its_mistakes_are_shown_as_such() {
    let path = folder().join("minimal.toml");
    let set = [
        "listener.public.address=127.0.0.1:0".to_owned(),
        "server.worker_threads=2".to_owned(),
    ];
    let (config, _) = Config::load(&path, &set).unwrap();
    assert_eq!(config.listener["public"].address.port(), 0);
    assert_eq!(config.workers().get(), 2);
    let report = Config::load(&path, &["server.worker_thread=2".to_owned()]).unwrap_err();
    assert_snapshot!(report.plain());
}

#[test]
fn a_missing_file_says_how_to_begin() {
    let report = Config::load(Path::new("/nowhere/tollgate.toml"), &[]).unwrap_err();
    assert_snapshot!(report.plain());
}

const HELLO: &str = r#"
[listener.public]
address = "127.0.0.1:8443"
tls = "dev"
[upstream.orders]
url = "http://127.0.0.1:3000"
[route.orders]
path = "/orders/**"
upstream = "orders"
[client.shop]
secret = { file = "shop.secret", create = true }
"#;

fn mistakes(text: &str) -> String {
    let report: Report =
        Config::parse("tollgate.toml", text, Path::new("/etc/tollgate")).unwrap_err();
    report.plain()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

fn find_silent(schema: &serde_json::Value, path: &str, silent: &mut Vec<String>) {
    let properties = schema
        .get("properties")
        .and_then(serde_json::Value::as_object);
    for (name, inner) in properties.into_iter().flatten() {
        let path = format!("{path}.{name}");
        // The tables of the sections themselves are described where they are listed.
        if inner.get("description").is_none() {
            silent.push(path.clone());
        }
        find_silent(inner, &path, silent);
    }
    for inner in ["additionalProperties", "items"]
        .iter()
        .filter_map(|key| schema.get(*key))
    {
        find_silent(inner, path, silent);
    }
    for inner in schema
        .get("anyOf")
        .and_then(serde_json::Value::as_array)
        .into_iter()
        .flatten()
    {
        find_silent(inner, path, silent);
    }
}
