//! `tollgate demo`, the README's first command, and `tollgate dev`.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::tollgate::{Place, answer, notes};
use crate::wire::Request;

#[test]
fn the_tour_gives_what_it_must_and_leaves_nothing_behind() {
    let place = Place::with("");
    let output = place.obey(&["demo", "--once"]);
    let told = answer(&output);
    assert_eq!(output.status.code(), Some(0), "{told}{}", notes(&output));
    assert_eq!(notes(&output), "", "nothing is to be said but the tour");
    assert_eq!(told.matches("$ curl -sS --cacert ").count(), 10, "{told}");
    assert!(!told.contains("NOT AS IT MUST BE"), "{told}");
    leaves_nothing(&place);
}

#[test]
fn a_tour_with_one_step_amiss_goes_on_and_ends_with_a_no() {
    let place = Place::with("");
    let less = "client.shop.scopes=[\"orders:write\"]";
    let output = place.obey(&["demo", "--once", "--set", less]);
    let told = answer(&output);
    assert_eq!(output.status.code(), Some(1), "{told}{}", notes(&output));
    let amiss = "NOT AS IT MUST BE: 200 was due, 403 ";
    assert_eq!(told.matches("NOT AS IT MUST BE").count(), 1, "{told}");
    assert!(told.contains(amiss), "{told}");
    assert_eq!(told.matches("$ curl -sS --cacert ").count(), 10, "{told}");
    leaves_nothing(&place);
}

#[test]
fn the_demo_stays_up_until_it_is_told_to_stop() {
    let place = Place::with("");
    let mut demo = place.start(&["demo"]);
    demo.says(&["stays up"]);
    demo.signal(Signal::INT);
    let ended = demo.ended();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    leaves_nothing(&place);
}

#[test]
fn dev_protects_whatever_is_there_and_says_how_to_get_in() {
    let place = Place::with("");
    let mut dev = place.start(&["dev", "--port", "0"]);
    let line = dev.says(&["Listening at https://localhost:"]);
    let port = line
        .split("localhost:")
        .nth(1)
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    let address = format!("127.0.0.1:{port}").parse().unwrap();
    let line = dev.says(&["The configuration is "]);
    let file = line.split(' ').nth(3).unwrap().trim_end_matches(';');
    let authority = Path::new(file).with_file_name("data/dev-tls/ca.pem");

    let reply = Request::get("/anything").send(address, &authority);
    assert_eq!(reply.status, 401, "{}", reply.body);
    let mint = [
        "token",
        "mint",
        "-c",
        file,
        "--subject",
        "me",
        "--scope",
        "read",
    ];
    let token = answer(&place.obey(&mint));
    let reply = Request::get("/anything")
        .bearer(&token)
        .send(address, &authority);
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.json()["headers"]["x-user"], "me");
    assert!(!reply.body.contains(&token), "the upstream saw the token");

    dev.signal(Signal::TERM);
    assert_eq!(dev.ended().status.code(), Some(0));
    leaves_nothing(&place);
}

/// The folder is also the one for temporary files, and had one file.
fn leaves_nothing(place: &Place) {
    let entries = fs::read_dir(place.path()).unwrap();
    let left: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["tollgate.toml"]);
}
