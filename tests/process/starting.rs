//! What keeps the executable from starting: the thing is named, the mend is named, and the exit code tells which kind.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use rcgen::{CertificateParams, KeyPair};

use crate::tollgate::{Place, answer, hello, notes};

#[test]
fn every_mistake_of_a_file_is_told_at_once() {
    let file = hello().replace(
        "upstream = \"orders\"",
        "upstreams = \"orders\"\nupstream = \"order\"",
    );
    let place = Place::with(&file);
    for command in ["run", "check"] {
        let output = place.obey(&[command]);
        assert_eq!(output.status.code(), Some(78));
        assert_eq!(answer(&output), "");
        let told = notes(&output);
        for words in [
            "upstreams",
            "upstream \"order\" does not exist",
            "did you mean \"orders\"?",
            "tollgate.toml:8",
        ] {
            assert!(told.contains(words), "no {words:?} in\n{told}");
        }
    }
    let output = place.obey(&["check", "--format", "json"]);
    assert_eq!(output.status.code(), Some(78));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["usable"], false);
    assert_eq!(report["problems"].as_array().unwrap().len(), 2, "{report}");
}

#[test]
fn a_claim_that_would_frame_a_message_is_a_mistake_of_the_file() {
    let identity = "forward.identity = { content-length = \"sub\" }";
    let file = hello().replace(
        "upstream = \"orders\"",
        &format!("upstream = \"orders\"\n{identity}"),
    );
    let place = Place::with(&file);
    for command in ["run", "check"] {
        let output = place.obey(&[command]);
        let told = notes(&output);
        assert_eq!(output.status.code(), Some(78), "{told}");
        for words in ["`content-length`", identity, "tollgate.toml:9:22", "^^^"] {
            assert!(told.contains(words), "no {words:?} in\n{told}");
        }
    }
}

#[test]
fn a_good_file_is_good_and_makes_nothing() {
    let place = Place::hello();
    let output = place.obey(&["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
    assert!(
        answer(&output).contains("no route is open"),
        "{}",
        answer(&output)
    );
    assert_eq!(
        fs::read_dir(place.path()).unwrap().count(),
        1,
        "only the file is there"
    );
}

#[test]
fn a_file_that_is_not_there_is_a_configuration_that_cannot_be_used() {
    let place = Place::hello();
    let output = place.obey(&["run", "-c", "elsewhere.toml"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(
        notes(&output).contains("elsewhere.toml"),
        "{}",
        notes(&output)
    );
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let place = Place::with(&hello().replace("127.0.0.1:8443", &address));
    let told = refuses_to_start(&place);
    assert!(told.contains(&address), "{told}");
    assert!(
        told.contains("stop that one, or change `address` in [listener.public]"),
        "{told}"
    );
    assert!(serves_nobody(&place));
}

#[test]
fn the_operators_own_port_is_taken_before_anybody_is_served() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let place = Place::with(&hello().replace("127.0.0.1:8443", "127.0.0.1:0"));
    let told = refuses_to_start_with(&place, &format!("admin.address={address}"));
    assert!(told.contains(&address), "{told}");
    assert!(
        told.contains("stop that one, or change `address` in [admin]"),
        "{told}"
    );
    assert!(serves_nobody(&place));
}

#[test]
fn all_ports_are_taken_before_anybody_is_served() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let second = format!("[listener.second]\naddress = \"{address}\"\n");
    let file = hello().replace("127.0.0.1:8443", "127.0.0.1:0");
    let place = Place::with(&format!("{file}\n{second}"));
    let told = refuses_to_start(&place);
    assert!(told.contains(&address), "{told}");
    assert!(
        told.contains("stop that one, or change `address` in [listener.second]"),
        "{told}"
    );
    assert!(serves_nobody(&place));
}

/// Sockets are bound first and accept last: without a store no gate was made that could have answered anybody.
fn serves_nobody(place: &Place) -> bool {
    !place.path().join("tollgate-data/tollgate.db").exists()
}

#[test]
fn a_store_that_is_none_is_named() {
    let place = Place::hello();
    let data = place.path().join("tollgate-data");
    fs::create_dir(&data).unwrap();
    let store = data.join("tollgate.db");
    fs::write(&store, "this is no database, and never was one".repeat(100)).unwrap();
    fs::set_permissions(&store, fs::Permissions::from_mode(0o600)).unwrap();
    let told = refuses_to_start(&place);
    assert!(told.contains("tollgate.db"), "{told}");
    assert!(told.contains("backup"), "{told}");
}

#[test]
fn a_store_that_cannot_be_opened_is_named() {
    let file = hello().replace("127.0.0.1:8443", "127.0.0.1:0");
    let place = Place::with(&format!("{file}\n[store]\nurl = \"sqlite:kept\"\n"));
    let folder = place.path().join("tollgate-data/kept");
    fs::create_dir_all(&folder).unwrap();
    let told = refuses_to_start(&place);
    assert!(told.contains(&folder.display().to_string()), "{told}");
    assert!(
        told.contains("it is a folder; set `store.url` to a file"),
        "{told}"
    );
}

#[test]
fn a_certificate_of_another_key_is_named() {
    let tls = r#"tls = { mode = "files", cert = "cert.pem", key = { file = "key.pem" } }"#;
    let file = hello().replace("127.0.0.1:8443", "127.0.0.1:0");
    let lines = file.lines();
    let lines: Vec<_> = lines
        .map(|line| if line.starts_with("tls") { tls } else { line })
        .collect();
    let place = Place::with(&lines.join("\n"));
    let (its_key, other_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&its_key).unwrap();
    fs::write(place.path().join("cert.pem"), certificate.pem()).unwrap();
    let key = place.path().join("key.pem");
    fs::write(&key, other_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let told = refuses_to_start(&place);
    for words in [
        "cert.pem",
        "key.pem",
        "put the key there that the certificate was made for",
    ] {
        assert!(told.contains(words), "no {words:?} in\n{told}");
    }
    assert!(!told.contains("PRIVATE KEY"), "{told}");
}

#[test]
fn words_that_mean_nothing_are_a_matter_of_usage() {
    let place = Place::hello();
    for words in [&["fly"][..], &["run", "--fast"], &["token", "mint"], &[]] {
        let output = place.obey(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
    }
    let output = place.obey(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(answer(&output).contains("demo"));
}

/// What is told by a gateway that does not start.
fn refuses_to_start(place: &Place) -> String {
    refuses_to_start_with(place, "admin.address=127.0.0.1:0")
}

fn refuses_to_start_with(place: &Place, setting: &str) -> String {
    let output = place.obey(&["run", "--set", setting]);
    let told = notes(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("error: could not"), "{told}");
    told
}
