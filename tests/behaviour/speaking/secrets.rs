//! Whatever is given out to be shown again is too long to be guessed.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;
use tollgate::{
    issue::{NewAccount, NewClient},
    token::{Scope, Secret},
};

use super::{bluenexus::proof_for, file};
use crate::harness::{
    exchange::Request,
    person::{Person, told},
    tollgate::{SHOP_SECRET, Tollgate},
    upstream::Upstream,
};

const FILE: &str = r#"
[passwords]
memory = "64KiB"
passes = 1

[dialect.oauth]
speak = "oauth2"
hosts = ["gw.test"]

[dialect.hub]
speak = "nexushub"
hosts = ["auth.hub.test"]
register = "open"

[dialect.spaces]
speak = "nexudus"
hosts = ["spaces.test"]

[dialect.blue]
speak = "bluenexus"
hosts = ["auth.blue.test"]
register = "open"
limit = { attempts = 10000, within = "1s" }

[client.w]
secret = { file = "shop.secret" }
grants = ["authorization_code", "refresh_token"]
redirect_uris = ["https://app.test/cb"]
trusted = true
wallets = { domains = ["app.test"] }
handoff = { redirect_uris = ["https://app.test/cb"] }
"#;

const PASSWORD: &str = "correct horse battery";
const CALLBACK: &str = "https://app.test/cb";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const PKCE: &str =
    "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

/// How many of a kind are drawn. That all have the same letter at a place by chance is a matter of one in 16^7 at most.
const DRAWN: usize = 8;

/// A kind of secret: what each begins with, how long the rest is, from how many letters it is drawn, and how many bits
/// there are at least to guess.
struct Kind {
    name: &'static str,
    start: &'static str,
    length: usize,
    letters: Letters,
    bits: f64,
}

#[derive(Clone, Copy)]
enum Letters {
    Hex,
    Base32,
    Base62,
    Base64Url,
}

impl Letters {
    fn bits(self) -> f64 {
        match self {
            Self::Hex => 4.0,
            Self::Base32 => 5.0,
            Self::Base62 => 62_f64.log2(),
            Self::Base64Url => 6.0,
        }
    }

    fn has(self, byte: u8) -> bool {
        match self {
            Self::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::Base32 => matches!(byte, b'A'..=b'Z' | b'2'..=b'7'),
            Self::Base62 => byte.is_ascii_alphanumeric(),
            Self::Base64Url => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
        }
    }
}

impl Kind {
    /// Counts only places at which those that were drawn differ: what is the same in all is no secret.
    fn holds(&self, drawn: &[String]) {
        let (name, length) = (self.name, self.length);
        assert_eq!(drawn.len(), DRAWN);
        let rest: Vec<&[u8]> = drawn
            .iter()
            .map(|one| {
                let rest = one.strip_prefix(self.start);
                rest.unwrap_or_else(|| panic!("{name}: {one}")).as_bytes()
            })
            .collect();
        for one in &rest {
            assert_eq!(one.len(), length, "{name}");
            assert!(one.iter().all(|byte| self.letters.has(*byte)), "{name}");
        }
        let differ = |at: &usize| rest.iter().any(|one| one[*at] != rest[0][*at]);
        let places = (0..length).filter(differ).count();
        let bits = f64::from(u32::try_from(places).unwrap()) * self.letters.bits();
        assert!(bits >= self.bits, "{name}: {bits} bits");
        assert!(self.bits >= 128.0, "{name}");
        let seen: BTreeSet<u8> = rest.iter().flat_map(|one| one.iter().copied()).collect();
        let seen = f64::from(u32::try_from(seen.len()).unwrap());
        let most = self.letters.bits().exp2();
        assert!(seen > most / 2.0, "{name}: {seen} letters of {most}");
    }
}

/// A gateway that speaks every dialect that gives out such things.
struct World(Tollgate);

impl World {
    fn post(&self, host: &str, path: &str) -> Request {
        self.0.client().named(host).post(path)
    }

    /// What these members of a good answer say.
    async fn gets<const N: usize>(&self, request: Request, names: [&str; N]) -> [String; N] {
        let answer = request.send().await;
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
        let body = answer.json();
        names.map(|name| body[name].as_str().unwrap_or_default().to_owned())
    }

    /// A code and a refresh token of standard OAuth 2, and the secret of the second factor.
    async fn oauth(&self, name: &str) -> [String; 3] {
        let account = NewAccount {
            name: name.to_owned(),
            password: Some(Secret::new(PASSWORD)),
            ..NewAccount::default()
        };
        self.0.add_account("oauth", account).await;
        let asking = format!("response_type=code&client_id=w&redirect_uri={CALLBACK}&{PKCE}");
        let path = format!("/oauth/authorize?{asking}");
        let mut person = Person::new(self.0.client());
        let code = told(&person.arrives_as(&path, name, PASSWORD).await, "code").unwrap();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        let redeem = self.post("gw.test", "/oauth/token").form(&form);
        let redeem = redeem.basic("w", SHOP_SECRET);
        let [refresh] = self.gets(redeem, ["refresh_token"]).await;
        let uri = self.0.enable_totp("oauth", name).await;
        let (_, rest) = uri.split_once("secret=").unwrap();
        let (factor, _) = rest.split_once('&').unwrap();
        [code, refresh, factor.to_owned()]
    }

    /// The secret parts of the user key and of the refresh token of NexusHub.
    async fn hub(&self, name: &str) -> [String; 2] {
        let body = json!({ "user_id": name, "user_secret": PASSWORD });
        let register = self.post("auth.hub.test", "/register").json(&body);
        let [key] = self.gets(register, ["user_key"]).await;
        let body = json!({ "user_key": key, "user_secret": PASSWORD });
        let login = self.post("auth.hub.test", "/authenticate").json(&body);
        let [refresh] = self.gets(login, ["refresh_token"]).await;
        let tail = key.strip_prefix(name).unwrap().to_owned();
        [tail, refresh.strip_prefix(&*key).unwrap().to_owned()]
    }

    /// A refresh token of Nexudus.
    async fn spaces(&self, name: &str) -> String {
        let email = format!("{name}@space.test");
        let account = NewAccount {
            name: email.clone(),
            password: Some(Secret::new(PASSWORD)),
            ..NewAccount::default()
        };
        self.0.add_account("spaces", account).await;
        let form = [
            ("grant_type", "password"),
            ("username", &*email),
            ("password", PASSWORD),
        ];
        let login = self.post("spaces.test", "/api/token").form(&form);
        let [refresh] = self.gets(login, ["refresh_token"]).await;
        refresh
    }

    /// A refresh token and a handoff code of BlueNexus, and the secret and the token of a registration.
    async fn blue(&self) -> [String; 4] {
        let auth = |path: &str| self.post("auth.blue.test", &format!("/api/v1/auth/{path}"));
        let login = auth("authenticate").basic("w", SHOP_SECRET);
        let login = login.json(&proof_for("app.test"));
        let names = ["access_token", "refresh_token"];
        let [access, refresh] = self.gets(login, names).await;
        let wanted = json!({ "redirectUri": CALLBACK, "intent": "connections" });
        let begin = auth("handoff/init").bearer(&access).json(&wanted);
        let [code] = self.gets(begin, ["code"]).await;
        let register = auth("register").json(&json!({ "redirect_uris": [CALLBACK] }));
        let names = ["client_secret", "registration_access_token"];
        let [secret, token] = self.gets(register, names).await;
        [refresh, code, secret, token]
    }

    /// The first and the second secret of a client of the operator's.
    async fn client(&self, name: &str) -> [String; 2] {
        let (clients, now) = (&self.0.kept().clients, self.0.now());
        let new = NewClient {
            name: name.to_owned(),
            scope: Scope::empty(),
            grants: Vec::new(),
        };
        let first = clients.add(new, now).await.unwrap();
        let second = clients.rotate_secret(name, Duration::ZERO, now);
        let second = second.await.unwrap().unwrap();
        [first, second].map(|secret| secret.reveal().to_owned())
    }
}

/// What [`World`] gives of each, in this order.
#[rustfmt::skip]
const KINDS: [Kind; 12] = [
    Kind { name: "a code", start: "tgac_", length: 43, letters: Letters::Base62, bits: 256.0 },
    // The name of its session and a tag of 256 bits, besides how often it was renewed.
    Kind { name: "a refresh token", start: "tgrt_", length: 70, letters: Letters::Base64Url, bits: 256.0 },
    Kind { name: "a second factor", start: "", length: 32, letters: Letters::Base32, bits: 160.0 },
    Kind { name: "a user key", start: "-", length: 32, letters: Letters::Base62, bits: 190.0 },
    Kind { name: "the refresh token behind it", start: "", length: 64, letters: Letters::Base62, bits: 381.0 },
    Kind { name: "a refresh token in digits", start: "", length: 32, letters: Letters::Hex, bits: 128.0 },
    Kind { name: "a refresh token of a wallet", start: "tgrt_", length: 70, letters: Letters::Base64Url, bits: 256.0 },
    Kind { name: "a handoff code", start: "ho_", length: 43, letters: Letters::Base62, bits: 256.0 },
    Kind { name: "the secret of a registration", start: "secret_", length: 43, letters: Letters::Base62, bits: 256.0 },
    Kind { name: "the token of a registration", start: "registration_", length: 43, letters: Letters::Base64Url, bits: 256.0 },
    Kind { name: "the secret of a client", start: "", length: 43, letters: Letters::Base62, bits: 256.0 },
    Kind { name: "its second secret", start: "", length: 43, letters: Letters::Base62, bits: 256.0 },
];

/// T12, in every dialect: 128 bits at least, and nearly always 256.
#[tokio::test]
async fn t12_nothing_that_is_given_out_can_be_guessed() {
    let up = Upstream::start().await;
    let world = World(Tollgate::start(&file(FILE, &up)).await);
    let mut drawn: [Vec<String>; KINDS.len()] = Default::default();
    for number in 0..DRAWN {
        let name = format!("ada{number}");
        let all = [
            &world.oauth(&name).await[..],
            &world.hub(&name).await,
            &[world.spaces(&name).await],
            &world.blue().await,
            &world.client(&name).await,
        ]
        .concat();
        assert_eq!(all.len(), KINDS.len());
        for (drawn, one) in drawn.iter_mut().zip(all) {
            drawn.push(one);
        }
        // So that no other limit is in the way.
        world.0.advance(Duration::from_secs(1));
    }
    for (kind, drawn) in KINDS.iter().zip(&drawn) {
        kind.holds(drawn);
    }
}
