//! What the operator does to people and programs, and the trail it leaves in the audit log.

use serde_json::json;

use crate::tollgate::{Place, answer, hello, notes};
use crate::wire::{Reply, Request, Upstream};

const SPACES: &str = "[passwords]\nmemory = \"64KiB\"\npasses = 1\n\
                      [dialect.spaces]\nspeak = \"nexudus\"\npath = \"/spaces\"\n";

/// NX: `must_reset_password`, from the day they were brought along until the day they have another password.
#[test]
fn a_reset_that_is_required_lasts_until_there_is_another_password() {
    let (place, upstream) = (Place::with(&(hello() + SPACES)), Upstream::start());
    let mut gateway = place.run(upstream.address);
    let (address, authority) = (gateway.address(), gateway.authority());
    let obey = |words: &[&str], input: &str| {
        let output = place.obey_with(words, input);
        assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
        answer(&output)
    };
    let login = |password: &str| {
        let fields = [
            ("grant_type", "password"),
            ("username", "ada@space.test"),
            ("password", password),
        ];
        Request::form("/spaces/token", &fields).send(address, &authority)
    };
    let must_reset = |reply: &Reply| {
        let expected = json!({ "error": "must_reset_password" });
        assert_eq!((reply.status, reply.json()), (400, expected));
    };
    let hash = obey(&["user", "password", "hash"], "pw-one\n");
    let ada = json!({ "name": "ada@space.test", "hash": hash, "must_reset": true });
    obey(&["user", "import", "-"], &ada.to_string());
    must_reset(&login("pw-one"));

    let passwd = ["user", "passwd", "ada@space.test"];
    obey(&passwd, "pw-two\n");
    let first = login("pw-two");
    assert_eq!(first.status, 200, "{}", first.body);

    obey(&["user", "require-reset", "ada@space.test"], "");
    must_reset(&login("pw-two"));
    let refresh = first.json()["refresh_token"].as_str().unwrap().to_owned();
    let fields = [("grant_type", "refresh_token"), ("refresh_token", &refresh)];
    let renewal = Request::form("/spaces/token", &fields).send(address, &authority);
    assert_eq!(renewal.status, 400, "{}", renewal.body);
    obey(&passwd, "pw-three\n");
    assert_eq!(login("pw-three").status, 200);

    let nobody = place.obey(&["user", "require-reset", "nobody"]);
    assert_eq!(nobody.status.code(), Some(1), "{}", notes(&nobody));
}
