//! Which tokens are believed, and why all others are not (RFC 8725).

use std::time::Duration;

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};

use crate::harness::{
    bench::Bench,
    issuer::{NOW, Token, compact},
    keys::{self, base64url, fixture, hs256},
    upstream::Upstream,
};

/// Order of the group of P-256: one more than the largest valid `r` and `s`.
const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

/// The clock skew a remote issuer is granted, in seconds.
const LEEWAY: i64 = 30;

#[tokio::test]
async fn every_algorithm_of_the_list_is_believed() {
    let bench = Bench::start().await;
    let rsa = &keys::a().rsa;
    bench.a.publish_raw(
        keys::a()
            .all()
            .iter()
            .map(|key| key.jwk())
            .chain(["RS384", "RS512", "PS256"].map(|name| rsa.named(name).signing(name).jwk()))
            .collect(),
    );
    for key in [
        rsa.clone(),
        keys::a().p256.clone(),
        keys::a().p384.clone(),
        keys::a().ed25519.clone(),
    ] {
        bench.admits_token(&bench.token().by(&key).sign()).await;
    }
    for name in ["RS384", "RS512", "PS256"] {
        bench
            .admits_token(&bench.token().by(&rsa.named(name).signing(name)).sign())
            .await;
    }
}

#[tokio::test]
async fn a_token_without_a_signature_is_not_believed() {
    // JW-01
    let bench = Bench::start().await;
    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        let unsigned = bench.token().header("alg", algorithm).unsigned();
        for token in [
            format!("{unsigned}."),
            format!("{unsigned}.AA"),
            unsigned.clone(),
        ] {
            bench.refuses_token(&token).await;
        }
    }
    bench
        .refuses_token(&bench.token().without_header("alg").sign())
        .await;
    bench
        .refuses_token(&format!("{}.", bench.token().unsigned()))
        .await;
    bench.lives().await;
}

/// W05: no shared secret verifies anything, so none can be a password.
#[tokio::test]
async fn a_public_key_is_not_a_shared_secret() {
    // JW-02
    let bench = Bench::start().await;
    let pem = String::from_utf8(fixture("keys/a-rsa.spki.pem")).unwrap();
    let der = rustls::pki_types::SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).unwrap();
    let jwk = keys::a().rsa.jwk();
    let secrets: [Vec<u8>; 8] = [
        pem.clone().into(),
        pem.trim_end().into(),
        fixture("keys/a-rsa.pkcs1.pem"),
        der.to_vec(),
        jwk.to_string().into(),
        keys::a().rsa.bare_jwk().to_string().into(),
        jwk["n"].as_str().unwrap().into(),
        Vec::new(),
    ];
    for secret in secrets {
        for kid in [Some("a-rsa"), None] {
            let token = bench.token().header("alg", "HS256");
            let token = kid.map_or_else(
                || token.clone().without_header("kid"),
                |kid| token.clone().header("kid", kid),
            );
            bench
                .refuses_token(&token.sign_as(|message| hs256(&secret, message)))
                .await;
        }
    }
    let token = bench.token().header("alg", "HS512");
    let sha512 = |message: &[u8]| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, pem.as_bytes()), message)
            .as_ref()
            .to_vec()
    };
    bench.refuses_token(&token.sign_as(sha512)).await;
    bench.lives().await;
}

#[tokio::test]
async fn a_shared_secret_in_a_remote_key_set_is_not_used() {
    // JW-02, the other way round
    let bench = Bench::start().await;
    bench.a.publish_raw(vec![
        json!({ "kty": "oct", "kid": "shared", "alg": "HS256", "k": base64url("secret") }),
    ]);
    let token = bench.token().header("alg", "HS256").header("kid", "shared");
    bench
        .refuses_token(&token.sign_as(|message| hs256(b"secret", message)))
        .await;
}

/// W10
#[tokio::test]
async fn a_token_cannot_bring_its_own_key() {
    // JW-03
    let bench = Bench::start().await;
    let stranger = &keys::b().rsa;
    let own = bench
        .token()
        .header("jwk", stranger.jwk())
        .secretly_by(stranger);
    bench.refuses_token(&own.sign()).await;
    bench
        .refuses_token(&own.clone().header("kid", stranger.kid.clone()).sign())
        .await;
    bench.refuses_token(&own.without_header("kid").sign()).await;
    bench.lives().await;
}

/// W10
#[tokio::test]
async fn a_token_cannot_send_us_for_its_key() {
    // JW-04
    let bench = Bench::start().await;
    let listener = Upstream::start().await;
    let stranger = &keys::b().rsa;
    for parameter in ["jku", "x5u"] {
        let token = bench
            .token()
            .header(parameter, format!("{}/jwks", listener.url()))
            .secretly_by(stranger);
        bench.refuses_token(&token.sign()).await;
        bench
            .refuses_token(&token.header("kid", "unheard-of").sign())
            .await;
    }
    assert!(listener.connections().is_empty());
    bench.lives().await;
}

#[tokio::test]
async fn a_critical_extension_is_refused() {
    // JW-05
    let bench = Bench::start().await;
    let token = || bench.token();
    bench
        .refuses_token(
            &token()
                .header("crit", json!(["exp"]))
                .header("exp", 1)
                .sign(),
        )
        .await;
    bench
        .refuses_token(
            &token()
                .header("crit", json!(["b64"]))
                .header("b64", false)
                .sign(),
        )
        .await;
    bench
        .refuses_token(&token().header("crit", json!([])).sign())
        .await;
    bench
        .refuses_token(&token().header("crit", "exp").sign())
        .await;
    bench
        .refuses_token(&token().header("crit", Value::Null).sign())
        .await;
    bench.lives().await;
}

#[tokio::test]
async fn times_must_be_numbers() {
    // JW-06
    let bench = Bench::start().await;
    let odd = [
        bench.token().with("exp", "9999999999"),
        bench.token().with("nbf", "9999999999"),
        bench.token().with("exp", Value::Null),
        bench.token().with("nbf", json!([1])),
        bench.token().with("exp", true),
        bench.token().with("exp", json!({})),
        bench.token().with("exp", -1),
        bench.token().with("nbf", "0"),
        bench.token().with("iat", "now"),
    ];
    for token in odd {
        bench.refuses_token(&token.sign()).await;
    }
    bench.lives().await;
}

/// W09
#[tokio::test]
async fn a_claim_that_is_required_must_be_there() {
    // JW-07
    let route = "\n[route.plain]\npath = \"/plain/**\"\nupstream = \"u1\"\nissuers = [\"a\"]\n";
    let bench = Bench::with(route).await;
    for claim in ["exp", "iss", "aud"] {
        bench
            .refuses_token(&bench.token().without(claim).sign())
            .await;
    }
    // `sub` is asked of a token only where a route names the caller to its upstream, as this one does. Any other claim may
    // be missing, and then its field is (HD-04).
    let nobody = bench.token().without("sub").sign();
    let answer = bench.refuses_token(&nobody).await;
    assert_eq!(answer.code().as_deref(), Some("claim_type"));
    let answer = bench.get("/plain/x").bearer(&nobody).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    bench.lives().await;
}

#[tokio::test]
async fn clocks_may_differ_by_the_leeway_and_no_more() {
    // JW-08
    let bench = Bench::start().await;
    bench
        .refuses_token(&bench.token().with("exp", NOW - LEEWAY - 2).sign())
        .await;
    bench
        .admits_token(&bench.token().with("exp", NOW - LEEWAY + 3).sign())
        .await;
    bench
        .refuses_token(&bench.token().with("nbf", NOW + LEEWAY + 3).sign())
        .await;
    bench
        .admits_token(&bench.token().with("nbf", NOW + LEEWAY - 3).sign())
        .await;
    bench.lives().await;
}

#[tokio::test]
async fn a_token_dies_while_it_is_remembered() {
    let bench = Bench::start().await;
    let token = bench.token().sign();
    bench.admits_token(&token).await;
    bench.gateway.advance(Duration::from_secs(300 + 29));
    bench.admits_token(&token).await;
    bench.gateway.advance(Duration::from_secs(1));
    assert_eq!(
        bench.refuses_token(&token).await.code().as_deref(),
        Some("expired")
    );
}

/// W03
#[tokio::test]
async fn a_made_up_curve_signature_is_refused() {
    // JW-09
    let bench = Bench::start().await;
    let token = bench.token().by(&keys::a().p256);
    let order: Vec<u8> = (0..32)
        .map(|at| u8::from_str_radix(&P256_ORDER[at * 2..at * 2 + 2], 16).unwrap())
        .collect();
    let good = |message: &[u8]| keys::a().p256.sign(message);
    bench.admits_token(&token.sign_as(good)).await;
    let zero = [0; 32];
    bench.refuses_token(&token.sign_as(|_| vec![0; 64])).await;
    bench
        .refuses_token(&token.sign_as(|message| [&zero, &good(message)[32..]].concat()))
        .await;
    bench
        .refuses_token(&token.sign_as(|message| [&good(message)[..32], &zero].concat()))
        .await;
    bench
        .refuses_token(&token.sign_as(|message| [&order, &good(message)[32..]].concat()))
        .await;
    bench
        .refuses_token(&token.sign_as(|message| [&good(message)[..32], &order[..]].concat()))
        .await;
    bench.refuses_token(&token.sign_as(der_encoded)).await;
    bench
        .refuses_token(&token.sign_as(|message| good(message)[..63].to_vec()))
        .await;
    bench
        .refuses_token(&token.sign_as(|message| [&good(message)[..], &[0]].concat()))
        .await;
    bench.refuses_token(&token.sign_as(|_| Vec::new())).await;
    bench.lives().await;
}

#[tokio::test]
async fn a_token_has_one_spelling() {
    // JW-10
    let bench = Bench::start().await;
    let token = bench.token().sign();
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("three parts")
    };
    let odd = [
        format!("{token}="),
        format!("{token}=="),
        format!("{header}=.{claims}.{signature}"),
        format!("{header}.{claims}=.{signature}"),
        format!("{header} .{claims}.{signature}"),
        format!("{header}. {claims}.{signature}"),
        format!("{header}.{claims}.{signature} x"),
        format!("{token}."),
        format!(".{token}"),
        format!("{header}.{claims}.{}", last_bit_changed(signature)),
    ];
    for token in odd {
        let answer = bench.get("/api/x").bearer(&token).send().await;
        assert!(
            [400, 401].contains(&answer.status),
            "{token}: {}",
            answer.status
        );
    }
    let (plus, minus) = (
        signature.replacen('-', "+", 1),
        signature.replacen('_', "/", 1),
    );
    for signature in [plus, minus].iter().filter(|changed| *changed != signature) {
        bench
            .refuses_token(&format!("{header}.{claims}.{signature}"))
            .await;
    }
    assert!(bench.upstream.is_untouched());
    bench.admits_token(&token).await;
    bench.lives().await;
}

#[tokio::test]
async fn a_line_break_in_a_token_is_no_token() {
    // JW-10, newline
    let bench = Bench::start().await;
    let token = bench.token().sign();
    let (start, end) = token.split_at(40);
    for broken in [format!("{start}\n{end}"), format!("{start}\r\n {end}")] {
        bench
            .rejects(format!(
                "GET /api/x HTTP/1.1\r\nHost: gw.test\r\nAuthorization: Bearer {broken}\r\n\r\n"
            ))
            .await;
    }
}

/// W08, S09: a key is believed for its own issuer, and a token where it is meant for.
#[tokio::test]
async fn an_issuer_is_believed_about_itself_only() {
    // JW-11
    let bench = Bench::start().await;
    let on_b = |token: &str| {
        bench
            .client()
            .named("b.test")
            .get("/anything")
            .bearer(token)
    };
    bench.refuses(on_b(&bench.token().sign())).await;
    bench
        .refuses_token(&bench.token().with("aud", "other").sign())
        .await;
    bench
        .refuses_token(
            &bench
                .token()
                .header("kid", keys::b().rsa.kid.clone())
                .sign(),
        )
        .await;
    bench
        .refuses_token(&bench.token().by(&keys::b().rsa).sign())
        .await;
    bench
        .refuses_token(&bench.token().secretly_by(&keys::b().rsa).sign())
        .await;
    bench.refuses_token(&bench.b.token().sign()).await;
    bench
        .refuses_token(&bench.token().with("iss", bench.b.url()).sign())
        .await;
    assert_eq!(on_b(&bench.b.token().sign()).send().await.status, 200);
    bench.lives().await;
}

#[tokio::test]
async fn two_issuers_may_use_the_same_key_name() {
    // JW-11
    let bench = Bench::start().await;
    let (ours, theirs) = (keys::a().rsa.named("1"), keys::b().rsa.named("1"));
    bench.a.publish(&[&ours]);
    bench.b.publish(&[&theirs]);
    bench.admits_token(&bench.token().by(&ours).sign()).await;
    bench.refuses_token(&bench.token().by(&theirs).sign()).await;
    let on_b = bench
        .client()
        .named("b.test")
        .get("/x")
        .bearer(&bench.b.token().by(&theirs).sign());
    assert_eq!(on_b.send().await.status, 200);
}

/// W09, S09
#[tokio::test]
async fn an_audience_may_be_one_of_several() {
    let bench = Bench::start().await;
    bench
        .admits_token(&bench.token().with("aud", json!(["other", "api"])).sign())
        .await;
    for audience in [
        json!([]),
        json!(["other"]),
        json!(["API"]),
        json!([["api"]]),
        json!(7),
        json!({ "api": 1 }),
        json!("api "),
    ] {
        bench
            .refuses_token(&bench.token().with("aud", audience).sign())
            .await;
    }
}

/// W07
#[tokio::test]
async fn a_claim_that_is_there_twice_is_refused() {
    let bench = Bench::start().await;
    let (key, url) = (&keys::a().rsa, bench.a.url());
    let header = r#"{"alg":"RS256","kid":"a-rsa"}"#;
    let claims = format!(
        r#"{{"iss":"{url}","aud":"api","sub":"u1","exp":{}}}"#,
        NOW + 300
    );
    let sign = |header: &str, claims: &str| compact(header, claims, |message| key.sign(message));
    bench.admits_token(&sign(header, &claims)).await;
    let twice = claims.replace(r#""sub":"u1""#, r#""sub":"u1","sub":"admin""#);
    bench.refuses_token(&sign(header, &twice)).await;
    bench
        .refuses_token(&sign(
            r#"{"alg":"none","alg":"RS256","kid":"a-rsa"}"#,
            &claims,
        ))
        .await;
    bench
        .refuses_token(&sign(header, &format!("{claims} x")))
        .await;
    bench.refuses_token(&sign(header, "[]")).await;
    bench.refuses_token(&sign("[]", &claims)).await;
}

/// W12
#[tokio::test]
async fn an_id_token_is_not_an_access_token() {
    let bench = Bench::start().await;
    bench
        .refuses_token(&bench.token().with("nonce", "n").sign())
        .await;
    bench
        .refuses_token(&bench.token().with("at_hash", "h").sign())
        .await;
    bench
        .refuses_token(&bench.token().header("typ", "dpop+jwt").sign())
        .await;
    bench
        .refuses_token(&bench.token().header("typ", "logout+jwt").sign())
        .await;
    for kind in ["JWT", "jwt", "at+jwt", "application/at+jwt"] {
        bench
            .admits_token(&bench.token().header("typ", kind).sign())
            .await;
    }
    bench
        .admits_token(&bench.token().without_header("typ").sign())
        .await;
}

/// W01
#[tokio::test]
async fn a_key_serves_the_algorithm_it_is_for() {
    let bench = Bench::start().await;
    let key = &keys::a().rsa;
    bench
        .refuses_token(&bench.token().by(&key.signing("PS256")).sign())
        .await;
    bench
        .refuses_token(
            &bench
                .token()
                .header("kid", keys::a().p256.kid.clone())
                .sign(),
        )
        .await;
    let mut encryption = keys::a2().jwk();
    encryption["use"] = "enc".into();
    bench.a.publish_raw(vec![key.jwk(), encryption]);
    bench
        .refuses_token(&bench.token().by(keys::a2()).sign())
        .await;
}

/// W03: what is inside a token counts for nothing, however well it and its cover are signed.
#[tokio::test]
async fn w03_a_token_within_a_token_is_no_token() {
    let bench = Bench::start().await;
    let key = &keys::a().rsa;
    let inner = bench.token().sign();
    bench.admits_token(&inner).await;
    for header in [
        r#"{"alg":"RS256","kid":"a-rsa","typ":"JWT","cty":"JWT"}"#,
        r#"{"alg":"RS256","kid":"a-rsa"}"#,
    ] {
        let nested = compact(header, &inner, |message| key.sign(message));
        bench.refuses_token(&nested).await;
    }
    // As a JWE would look like, whose content we could not judge.
    let sealed = format!("{inner}.{inner}");
    bench.refuses_token(&sealed).await;
}

/// W10: the name of a key is compared with those of the set, and put to no other use.
#[tokio::test]
async fn w10_the_name_of_a_key_is_only_compared() {
    let bench = Bench::start().await;
    bench.admits_token(&bench.token().sign()).await;
    for kid in [
        "../../../../etc/passwd",
        "/dev/null",
        "a-rsa' OR '1'='1",
        "a-rsa\0",
        "a-rsa ",
        "A-RSA",
        "",
        "http://127.0.0.1:9/jwks",
        "{{7*7}}",
        &"k".repeat(8_000),
    ] {
        let token = bench.token().header("kid", kid).sign();
        let code = bench.refuses_token(&token).await.code();
        assert_eq!(code.as_deref(), Some("unknown_key"), "{kid:?}");
    }
    bench.admits_token(&bench.token().sign()).await;
    bench.lives().await;
}

#[tokio::test]
async fn a_token_cannot_be_extended_with_more_of_it() {
    let bench = Bench::start().await;
    for token in [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "a.b.c.d.e",
        "....",
        "\u{7f}",
        "null",
        &"a".repeat(20_000),
        &"a.".repeat(5_000),
    ] {
        let answer = bench.say(format!("GET /api/x HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n")).await;
        assert!(
            matches!(answer[0].status, 400 | 401),
            "{token:?}: {}",
            answer[0].status
        );
    }
    assert!(bench.upstream.is_untouched());
    bench.lives().await;
}

#[tokio::test]
async fn a_key_set_in_a_file_needs_no_network() {
    let bench = Bench::changed(
        &[(
            "[issuer.b]\nkind = \"jwt\"\n",
            "[issuer.b]\nkind = \"jwt\"\njwks = { file = \"b.jwks.json\" }\n",
        )],
        "",
    );
    let bench = bench.await;
    let token = bench.b.token().sign();
    assert_eq!(
        bench
            .client()
            .named("b.test")
            .get("/x")
            .bearer(&token)
            .send()
            .await
            .status,
        200
    );
    assert!(bench.b.server().connections().is_empty());
}

/// An ECDSA signature in the encoding that X.509 uses and JWS does not.
fn der_encoded(message: &[u8]) -> Vec<u8> {
    let pem = fixture("keys/a-p256.pem");
    let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).unwrap();
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der.secret_pkcs8_der()).unwrap();
    pair.sign(&SystemRandom::new(), message)
        .unwrap()
        .as_ref()
        .to_vec()
}

/// The same bytes in a second spelling: the last character of 256 bytes has four bits that mean nothing.
fn last_bit_changed(signature: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (start, last) = signature.split_at(signature.len() - 1);
    let value = ALPHABET
        .iter()
        .position(|letter| *letter == last.as_bytes()[0])
        .unwrap();
    format!("{start}{}", char::from(ALPHABET[value ^ 1]))
}

#[tokio::test]
async fn the_token_of_another_moment_is_another_token() {
    let bench = Bench::start().await;
    let token = Token::new(&keys::a().rsa, json!({ "iss": bench.a.url(), "aud": "api", "sub": "u1", "exp": NOW + 300, "nbf": NOW + 60 })).sign();
    assert_eq!(
        bench.refuses_token(&token).await.code().as_deref(),
        Some("not_yet_valid")
    );
    bench.gateway.advance(Duration::from_mins(1));
    bench.admits_token(&token).await;
}
