//! `tollgate demo`: the README's first command.

use std::fs;

use crate::tollgate::{Place, answer, notes};

#[test]
fn the_tour_gives_what_it_must_and_leaves_nothing_behind() {
    let place = Place::with("");
    let output = place.obey(&["demo", "--once"]);
    let told = answer(&output);
    assert_eq!(output.status.code(), Some(0), "{told}{}", notes(&output));
    assert_eq!(notes(&output), "", "nothing is to be said but the tour");
    assert_eq!(told.matches("$ curl -sS --cacert ").count(), 10, "{told}");
    assert!(!told.contains("NOT AS IT MUST BE"), "{told}");
    // TMPDIR is this folder, which had one file.
    let left: Vec<_> = fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["tollgate.toml"]);
}
