//! People with particulars: an address, a second factor, a place among the members of an account.

use crate::tollgate::{Place, answer, hello, notes};

#[test]
fn a_second_factor_is_told_once_and_a_member_needs_no_password() {
    let mounts = "[dialect.spaces]\nspeak = \"nexudus\"\n[dialect.crew]\nspeak = \"hubler\"\n";
    let file = hello().replace(
        "path = \"/orders/**\"",
        "path = \"/orders/**\"\nissuers = [\"spaces\"]",
    );
    let place = Place::with(&(file + mounts));
    let obey = |words: &[&str], input: &str| {
        let output = place.obey_with(words, input);
        assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
        answer(&output)
    };
    let spaces = ["--mount", "spaces"];
    let who = ["ada@space.test", "--title", "Ada L"];
    obey(&[&["user", "add"][..], &who, &spaces].concat(), "pw-1\n");
    let enable = [&["user", "totp", "enable", "ada@space.test"][..], &spaces].concat();
    let (first, second) = (obey(&enable, ""), obey(&enable, ""));
    let start = "otpauth://totp/spaces:ada%40space.test?secret=";
    assert!(
        first.starts_with(start) && second.starts_with(start),
        "{first}"
    );
    assert_ne!(first, second, "another secret each time");
    let disable = [&["user", "totp", "disable", "ada@space.test"][..], &spaces].concat();
    obey(&disable, "");

    let (account, member) = ("5723073937d63a18396a1bae", "0123456789abcdef01234567");
    let crew = ["--mount", "crew"];
    obey(&[&["user", "add", account][..], &crew].concat(), "hubble\n");
    let owned = ["user", "add", member, "--owner", account];
    obey(&[&owned[..], &crew].concat(), "");
    let nobodys = ["user", "add", "0123456789abcdef01234568", "--owner", member];
    let output = place.obey(&[&nobodys[..], &crew].concat());
    assert_ne!(output.status.code(), Some(0), "a member has no members");
}
