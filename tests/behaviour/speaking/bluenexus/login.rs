//! Wallets that sign in.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use serde_json::{Value, json};

use tollgate::store::Status;

use super::{Blue, Message, SHOP_SECRET, Tokens, Wallet, claims, date, says, says_oauth};
use crate::harness::issuer::NOW;

/// BN-1
#[tokio::test]
async fn bn_01_a_wallet_opens_sessions() {
    let blue = Blue::start().await;
    let ada = Wallet::of(1);
    let by_header = blue.authenticate(&blue.signed(&ada)).await;
    assert_eq!(by_header.header("cache-control"), Some("no-store"));
    let mut body = blue.signed(&ada);
    body["client_id"] = "w".into();
    body["client_secret"] = SHOP_SECRET.into();
    let by_body = blue.post("authenticate").json(&body).send().await;

    let keys = blue.auth().get("/.well-known/jwks.json").send().await;
    let keys: JwkSet = serde_json::from_value(keys.json()).unwrap();
    for answer in [&by_header, &by_body] {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = answer.json();
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 900);
        assert_eq!(body["refresh_expires_in"], 604_800);
        assert_eq!(body["scope"], "account connections");
        let token = body["access_token"].as_str().unwrap();
        let header = jsonwebtoken::decode_header(token).unwrap();
        assert_eq!(header.alg, Algorithm::RS256);
        let key = keys.find(&header.kid.unwrap()).unwrap();
        let mut wanted = Validation::new(Algorithm::RS256);
        wanted.set_audience(&["https://gw.test"]);
        wanted.set_issuer(&["https://gw.test"]);
        let key = DecodingKey::from_jwk(key).unwrap();
        let claims: Value = jsonwebtoken::decode(token, &key, &wanted).unwrap().claims;
        assert_eq!(claims["client_id"], "w");
        let session = body["session_id"].as_str().unwrap();
        assert_eq!(session.strip_prefix("session_"), claims["sid"].as_str());
        for claim in ["sub", "scope", "iat", "exp", "jti"] {
            assert!(claims.get(claim).is_some(), "{claim}");
        }
        blue.opens(token).await;
    }
    let (one, other) = (Tokens::of(&by_header), Tokens::of(&by_body));
    assert!(!one.session.is_empty() && !other.session.is_empty());
    assert_ne!(one.session, other.session);
    assert_ne!(one.refresh, other.refresh);
    assert_eq!(claims(&one.access)["sub"], claims(&other.access)["sub"]);
    assert_ne!(one.access, other.access);
}

/// The account of a wallet is named by its address, and is the same whatever case the address was written in (B-8).
#[tokio::test]
async fn the_first_login_makes_the_account_and_every_later_one_finds_it() {
    let blue = Blue::start().await;
    let ada = Wallet::of(1);
    let first = claims(&blue.login(&ada).await.access)["sub"].clone();
    let mut message = blue.message(&ada);
    message.address = message.address.to_ascii_lowercase();
    let again = Tokens::of(&blue.authenticate(&ada.proof(&message)).await);
    assert_eq!(claims(&again.access)["sub"], first);
    let other = blue.login(&Wallet::of(2)).await;
    assert_ne!(claims(&other.access)["sub"], first);
}

/// BN-1, for a client without a secret
#[tokio::test]
async fn a_public_client_names_itself_in_the_body() {
    let blue = Blue::start().await;
    let ada = Wallet::of(1);
    let tokens = blue.login_publicly(&ada).await;
    assert_eq!(claims(&tokens.access)["client_id"], "m");
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &tokens.refresh),
        ("client_id", "m"),
    ];
    let renewed = blue.post("token").form(&form).send().await;
    assert_eq!(renewed.status, 200, "{}", renewed.text());
}

/// B-1: as the parts of the message, and as a form.
#[tokio::test]
async fn a_message_may_come_as_its_parts_or_in_a_form() {
    let blue = Blue::start().await;
    let ada = Wallet::of(1);
    let message = blue.message(&ada);
    let mut body = ada.proof(&message);
    body["payload"] = json!({
        "domain": message.domain, "address": message.address, "uri": message.uri, "version": "1", "chainId": 10,
        "nonce": message.nonce, "issuedAt": message.issued_at,
    });
    body["message"].take();
    body.as_object_mut().unwrap().remove("message");
    Tokens::of(&blue.authenticate(&body).await);

    let message = blue.message(&ada).text();
    let signature = ada.sign(&message);
    let form = [("siwe", &*message), ("signature", &*signature)];
    let request = blue.post("authenticate").basic("w", SHOP_SECRET);
    Tokens::of(&request.form(&form).send().await);
}

/// BN-2
#[tokio::test]
async fn bn_02_what_another_signed_or_for_another_site_or_long_ago_is_refused() {
    let blue = Blue::start().await;
    let (ada, eve) = (Wallet::of(1), Wallet::of(2));
    let message = blue.message(&ada);
    says(
        &blue.authenticate(&eve.proof(&message)).await,
        401,
        "UnauthorizedError",
    );
    let elsewhere = Message {
        domain: "evil.test".into(),
        uri: "https://evil.test/".into(),
        ..blue.message(&ada)
    };
    says(
        &blue.authenticate(&ada.proof(&elsewhere)).await,
        401,
        "UnauthorizedError",
    );
    let old = Message {
        issued_at: date(blue.now() - 600),
        ..blue.message(&ada)
    };
    says(
        &blue.authenticate(&ada.proof(&old)).await,
        401,
        "UnauthorizedError",
    );
}

/// BN-3
#[tokio::test]
async fn bn_03_a_message_is_good_once() {
    let blue = Blue::start().await;
    let ada = Wallet::of(1);
    let body = blue.signed(&ada);
    let first = Tokens::of(&blue.authenticate(&body).await);
    says(&blue.authenticate(&body).await, 401, "UnauthorizedError");
    // The session that the first opened goes on.
    blue.opens(&first.access).await;
    // The nonce is spent for this wallet at this client only.
    let mut message = blue.message(&Wallet::of(2));
    message.nonce = "nonce-of-another".replace('-', "");
    for wallet in [Wallet::of(2), Wallet::of(3)] {
        message.address = wallet.address();
        Tokens::of(&blue.authenticate(&wallet.proof(&message)).await);
    }
}

/// BN-4
#[tokio::test]
async fn bn_04_a_missing_signature_is_named() {
    let blue = Blue::start().await;
    let mut body = blue.signed(&Wallet::of(1));
    body.as_object_mut().unwrap().remove("signature");
    let answer = blue.authenticate(&body).await;
    says_oauth(&answer, "invalid_request");
    assert_eq!(answer.json()["message"], "signature is missing");
    says_oauth(&blue.authenticate(&json!({})).await, "invalid_request");
}

/// BN-5, and decision B-10: the tokens from before live on.
#[tokio::test]
async fn bn_05_a_session_is_continued() {
    let blue = Blue::start().await;
    let ada = Wallet::of(1);
    let first = blue.login(&ada).await;
    let mut body = blue.signed(&ada);
    body["session_id"] = first.session.clone().into();
    let second = Tokens::of(&blue.authenticate(&body).await);
    assert_eq!(second.session, first.session);
    assert_ne!(second.refresh, first.refresh);
    let (before, after) = (claims(&first.access), claims(&second.access));
    assert_eq!(
        (&before["sub"], &before["sid"]),
        (&after["sub"], &after["sid"])
    );

    blue.opens(&first.access).await;
    let renewed = Tokens::of(&blue.refresh(&first.refresh).await);
    let also = Tokens::of(&blue.refresh(&second.refresh).await);
    // A replay in either line ends both.
    says_oauth(&blue.refresh(&first.refresh).await, "invalid_grant");
    for tokens in [&first, &second, &renewed, &also] {
        blue.has_ended(tokens).await;
        blue.rest();
    }
}

/// BN-6
#[tokio::test]
async fn bn_06_nobody_continues_what_is_not_theirs_and_nobody_learns_what_exists() {
    let blue = Blue::start().await;
    let (ada, bob) = (Wallet::of(1), Wallet::of(2));
    let (hers, public) = (blue.login(&ada).await, blue.login_publicly(&bob).await);
    let his = blue.login(&bob).await;
    let form = [("token", &*his.access)];
    let ended = blue.post("revoke").basic("w", SHOP_SECRET).form(&form);
    assert_eq!(ended.send().await.status, 200);
    let bare = hers.session.trim_start_matches("session_").to_owned();
    let sessions = [
        hers.session.clone(),
        public.session,
        his.session,
        format!("session_{}", "0".repeat(32)),
        "session_".into(),
        "session_zz".into(),
        bare,
    ];
    let mut bodies = Vec::new();
    for session in sessions {
        blue.rest();
        let mut body = blue.signed(&bob);
        body["session_id"] = session.into();
        let answer = blue.authenticate(&body).await;
        says(&answer, 401, "UnauthorizedError");
        bodies.push(answer.text());
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    blue.opens(&hers.access).await;
    // Nor does somebody who has no account yet.
    let mut body = blue.signed(&Wallet::of(3));
    body["session_id"] = hers.session.into();
    assert_eq!(blue.authenticate(&body).await.text(), bodies[0]);
}

/// BN-7
#[tokio::test]
async fn bn_07_a_third_party_signs_nobody_in() {
    let blue = Blue::start().await;
    let body = blue.signed(&Wallet::of(1));
    let request = blue.post("authenticate").basic("p", SHOP_SECRET);
    says(&request.json(&body).send().await, 401, "UnauthorizedError");
}

/// B-12: a client that cannot be believed is refused with 401 here, and with a challenge if it came in the header.
#[tokio::test]
async fn a_client_that_is_not_believed_signs_nobody_in() {
    let blue = Blue::start().await;
    let body = blue.signed(&Wallet::of(1));
    let wrong = blue.post("authenticate").basic("w", "wrong").json(&body);
    let wrong = wrong.send().await;
    says(&wrong, 401, "UnauthorizedError");
    assert!(
        wrong
            .header("www-authenticate")
            .unwrap()
            .starts_with("Basic ")
    );
    for (id, secret) in [
        ("w", None),
        ("m", Some("x")),
        ("nobody", None),
        ("w", Some("wrong")),
    ] {
        let mut body = body.clone();
        body["client_id"] = id.into();
        if let Some(secret) = secret {
            body["client_secret"] = secret.into();
        }
        let answer = blue.post("authenticate").json(&body).send().await;
        says(&answer, 401, "UnauthorizedError");
        assert_eq!(answer.header("www-authenticate"), None);
    }
    // None of this has touched the message.
    Tokens::of(&blue.authenticate(&body).await);
}

/// TK-11, Z04
#[tokio::test]
async fn tk_11_a_nonce_is_spent_at_its_first_use_whatever_becomes_of_it() {
    let blue = Blue::start().await;
    let (ada, eve) = (Wallet::of(1), Wallet::of(2));
    let later = |seconds: i64| date(blue.now() + seconds);
    let good = || blue.message(&ada);
    let changed = |change: &dyn Fn(&mut Message)| {
        let (good, mut bad) = (good(), good());
        bad.nonce.clone_from(&good.nonce);
        change(&mut bad);
        (good, bad)
    };
    let cases = [
        changed(&|message| message.domain = "evil.test".into()),
        changed(&|message| message.uri = "https://evil.test/".into()),
        changed(&|message| message.rest = format!("\nExpiration Time: {}", later(0))),
        changed(&|message| message.rest = format!("\nNot Before: {}", later(1))),
    ];
    for (good, bad) in cases {
        says(
            &blue.authenticate(&ada.proof(&bad)).await,
            401,
            "UnauthorizedError",
        );
        let replayed = blue.authenticate(&ada.proof(&good)).await;
        says(&replayed, 401, "UnauthorizedError");
    }
    blue.rest();
    let message = good();
    says(
        &blue.authenticate(&eve.proof(&message)).await,
        401,
        "UnauthorizedError",
    );
    says(
        &blue.authenticate(&ada.proof(&message)).await,
        401,
        "UnauthorizedError",
    );
    Tokens::of(&blue.authenticate(&ada.proof(&good())).await);
}

/// TK-11, for many at once
#[tokio::test]
async fn tk_11_of_fifty_who_show_the_same_message_one_gets_in() {
    let blue = Blue::with(|file| {
        file.replace(
            "speak = \"bluenexus\"",
            "speak = \"bluenexus\"\nlimit = { attempts = 100, within = \"1m\" }",
        )
    })
    .await;
    let body = blue.signed(&Wallet::of(1));
    let attempts = (0..50).map(|_| blue.authenticate(&body));
    let answers = futures_util::future::join_all(attempts).await;
    let good = answers.iter().filter(|answer| answer.status == 200);
    assert_eq!(good.count(), 1);
    assert!(
        answers
            .iter()
            .all(|answer| [200, 401].contains(&answer.status))
    );
}

/// Decision B-4
#[tokio::test]
async fn a_message_is_good_for_five_minutes_and_half_a_minute_early() {
    let blue = Blue::start().await;
    let ada = Wallet::of(1);
    for (seconds, status) in [(-300, 200), (-301, 401), (30, 200), (31, 401)] {
        let message = Message {
            issued_at: date(blue.now() + seconds),
            ..blue.message(&ada)
        };
        let answer = blue.authenticate(&ada.proof(&message)).await;
        assert_eq!(answer.status, status, "{seconds}: {}", answer.text());
    }
    // A spent nonce is remembered for as long as its message counts.
    let body = ada.proof(&Message {
        issued_at: date(blue.now() + 30),
        ..blue.message(&ada)
    });
    Tokens::of(&blue.authenticate(&body).await);
    for _ in 0..5 {
        blue.rest();
        says(&blue.authenticate(&body).await, 401, "UnauthorizedError");
    }
}

/// Decision B-6
#[tokio::test]
async fn a_client_may_be_for_some_chains_only() {
    let blue = Blue::start().await;
    let ada = Wallet::of(1);
    for (chain, status) in [("10", 200), ("1", 401)] {
        let mut message = blue.message(&ada);
        message.chain = chain.into();
        let mut body = ada.proof(&message);
        let by_any = blue.authenticate(&body).await;
        assert_eq!(by_any.status, 200, "W takes every chain");
        body["client_id"] = "m".into();
        let answer = blue.post("authenticate").json(&body).send().await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
}

/// Messages that are almost what W takes from Ada.
fn flawed(blue: &Blue, ada: &Wallet) -> Vec<String> {
    let text = || blue.message(ada).text();
    let swap = |from: &str, to: &str| {
        let text = text();
        assert!(text.contains(from), "{from:?} in {text}");
        text.replacen(from, to, 1)
    };
    let address = ada.address();
    let letter = address.chars().skip(2).find(char::is_ascii_lowercase);
    let letter = letter.unwrap().to_string();
    vec![
        swap("app.test wants", "app.test.evil.test wants"),
        swap("app.test wants", "evil@app.test wants"),
        swap("https://app.test/", "https://app.test@evil.test/"),
        swap("https://app.test/login", "app.test"),
        swap(
            &address,
            &address.replacen(&letter, &letter.to_uppercase(), 1),
        ),
        swap(&address, &address[2..]),
        swap(&address, &Wallet::of(2).address()),
        swap("Version: 1", "Version: 2"),
        swap("Chain ID: 10", "Chain ID: ten"),
        swap("Chain ID: 10", "Chain ID: 10\nChain ID: 1"),
        swap("Nonce: nonce", "Nonce: n once"),
        swap("Nonce: ", "Nonce: abcdefgh\nNonce: "),
        swap("Z", ""),
        swap("T", " "),
        swap("Issued At: 2027", "Issued At: 0027"),
        swap("Issued At: 2027-01", "Issued At: 2027-13"),
        text().replace('\n', "\r\n"),
        text() + "\n",
        text() + " ",
        text() + "\0",
        text() + "\nExpiration Time: tomorrow",
        text() + "\nRequest ID: a\nExpiration Time: 2030-01-01T00:00:00Z",
        text() + "\nResources:\nhttps://app.test/",
        text().replace(" wants you to sign in", " wants you to log in"),
        "hello".to_owned(),
    ]
}

/// Whatever is wrong with the message or the signature: 401, in the same words, and no account is made.
#[tokio::test]
async fn a_message_that_is_not_exactly_one_signs_nobody_in() {
    let blue = Blue::start().await;
    let ada = Wallet::of(1);
    let mut words = Vec::new();
    for (count, message) in flawed(&blue, &ada).into_iter().enumerate() {
        if count % 10 == 0 {
            blue.rest();
        }
        let message = message.replace(&date(NOW), &date(blue.now()));
        let answer = blue.authenticate(&ada.proof_of(&message)).await;
        assert_eq!(answer.status, 401, "{message:?}");
        says(&answer, 401, "UnauthorizedError");
        words.push(answer.text());
    }
    blue.rest();
    let signature = ada.sign("x");
    for wrong in [
        "0x",
        "rubbish",
        &signature[2..],
        &signature[..130],
        &format!("{signature}00"),
        &format!("0x{}1b", "0".repeat(128)),
    ] {
        let mut body = blue.signed(&ada);
        body["signature"] = wrong.into();
        let answer = blue.authenticate(&body).await;
        says(&answer, 401, "UnauthorizedError");
        words.push(answer.text());
    }
    words.dedup();
    assert_eq!(words.len(), 1, "{words:?}");
    let accounts = &blue.gateway.kept().accounts;
    let address = ada.address();
    let account = accounts.set_status("blue", &address, Status::Disabled);
    assert!(!account.await.unwrap(), "no account was made");
}

#[tokio::test]
async fn a_disabled_account_is_refused_like_everything_else() {
    let blue = Blue::start().await;
    let ada = Wallet::of(1);
    blue.login(&ada).await;
    let accounts = &blue.gateway.kept().accounts;
    let address = ada.address();
    let disabled = accounts.set_status("blue", &address, Status::Disabled);
    assert!(disabled.await.unwrap());
    says(
        &blue.authenticate(&blue.signed(&ada)).await,
        401,
        "UnauthorizedError",
    );
}
