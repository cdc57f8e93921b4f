//! JW-12: the tokens that other libraries once took for good, through `tollgate token verify`.

use serde_json::Value;

use crate::tollgate::{Place, answer, notes};

#[test]
fn jw_12_every_vector_of_wycheproof_gets_the_verdict_it_must() {
    let vectors: Value =
        serde_json::from_str(include_str!("../fixtures/wycheproof/jws.json")).unwrap();
    let groups = vectors["groups"].as_array().unwrap();
    let place = Place::with("");
    let (mut judged, mut wrong) = (0, Vec::new());
    for group in groups {
        let keys = serde_json::json!({ "keys": group["keys"] });
        std::fs::write(place.path().join("keys.json"), keys.to_string()).unwrap();
        let tests = group["tests"].as_array().unwrap();
        let tokens: Vec<_> = tests
            .iter()
            .map(|test| test["jws"].as_str().unwrap())
            .collect();
        let tokens = tokens.join("\n") + "\n";

        let output = place.obey_with(&["token", "verify", "--key", "keys.json"], &tokens);
        let verdicts = answer(&output);
        let verdicts: Vec<_> = verdicts.lines().collect();
        assert_eq!(
            verdicts.len(),
            tests.len(),
            "{}{}",
            notes(&output),
            verdicts.join("\n")
        );
        let all_valid = tests.iter().all(|test| test["accept"] == true);
        assert_eq!(output.status.code(), Some(i32::from(!all_valid)));
        for (test, verdict) in tests.iter().zip(verdicts) {
            judged += 1;
            if test["accept"] != (verdict == "valid") {
                wrong.push(format!("{} {}: {verdict}", group["source"], test["tcId"]));
            }
        }
    }
    assert_eq!(judged, 412, "the file is whole");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn jw_12_junk_in_a_token_is_refused_wherever_it_stands() {
    // 372 and 373 of `json_web_signature` put characters that are no base64url into a good token.
    let vectors: Value =
        serde_json::from_str(include_str!("../fixtures/wycheproof/jws.json")).unwrap();
    let group = &vectors["groups"][1];
    let token = group["tests"][0]["jws"].as_str().unwrap();
    let place = Place::with("");
    let keys = serde_json::json!({ "keys": group["keys"] });
    std::fs::write(place.path().join("keys.json"), keys.to_string()).unwrap();
    let mut lines = format!("{token}\n");
    let dots: Vec<_> = token.match_indices('.').map(|(at, _)| at).collect();
    for at in [0, dots[0], dots[0] + 1, dots[1], dots[1] + 1, token.len()] {
        for junk in ["?", "=", " ", "\u{e9}", "."] {
            lines.push_str(&[&token[..at], junk, &token[at..], "\n"].concat());
        }
    }
    let output = place.obey_with(&["token", "verify", "--key", "keys.json"], &lines);
    let verdicts = answer(&output);
    let mut verdicts = verdicts.lines();
    assert_eq!(verdicts.next(), Some("valid"), "{}", notes(&output));
    assert_eq!(verdicts.clone().count(), 30);
    assert!(
        verdicts.all(|verdict| verdict.starts_with("malformed_token: ")),
        "{}",
        answer(&output)
    );
}
