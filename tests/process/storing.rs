//! The commands that look at the store, keep it safe and move it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::tollgate::{Place, answer, notes};

#[test]
fn the_status_says_where_the_store_is_and_what_is_in_it() {
    let place = Place::hello();
    let added = place.obey(&["client", "add", "cart"]);
    assert_eq!(added.status.code(), Some(0), "{}", notes(&added));
    let output = place.obey(&["store", "status", "--deep", "--json"]);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["schema"], status["schema_known"]);
    assert_eq!(status["rows"]["client"], 1, "{status}");
    assert_eq!(status["rows"]["session"], 0, "{status}");
    let said = answer(&place.obey(&["store", "status"]));
    assert!(
        said.contains("tollgate.db") && said.contains("client"),
        "{said}"
    );
    let said = answer(&place.obey(&["store", "migrate"]));
    assert!(said.contains("is at schema 2"), "{said}");
}

#[test]
fn a_backup_is_written_once_for_its_owner_alone_and_serves_as_the_store() {
    let place = Place::hello();
    let _ = place.obey(&["client", "add", "cart"]);
    let file = place.path().join("backup.db");
    let name = file.to_str().unwrap();
    let output = place.obey(&["store", "backup", name]);
    assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = place.obey(&["store", "backup", name]);
    assert_ne!(again.status.code(), Some(0));
    assert!(notes(&again).contains("not there"), "{}", notes(&again));

    let setting = format!("store.url=sqlite:{name}");
    let output = place.obey(&["store", "status", "--json", "--set", &setting]);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["rows"]["client"], 1, "{status}");
}

#[test]
fn a_copy_takes_everything_to_an_empty_store_and_to_no_other() {
    let place = Place::hello();
    let _ = place.obey(&["client", "add", "cart"]);
    let copy = ["store", "copy", "--to", "sqlite:other.db"];
    let output = place.obey(&copy);
    assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
    let said = answer(&output);
    assert!(said.contains("client") && said.contains('1'), "{said}");
    let again = place.obey(&copy);
    assert_ne!(again.status.code(), Some(0));
    assert!(notes(&again).contains("not empty"), "{}", notes(&again));
}

#[test]
fn a_password_is_no_part_of_an_address() {
    let place = Place::hello();
    let to = "postgres://tollgate:hunter2@db.internal/tollgate";
    let output = place.obey(&["store", "copy", "--to", to]);
    assert_ne!(output.status.code(), Some(0));
    assert!(
        notes(&output).contains("password = { file"),
        "{}",
        notes(&output)
    );
    assert!(!notes(&output).contains("hunter2"));
}
