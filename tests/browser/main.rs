//! The pages in a real browser: signing in, agreeing and not, and everything people do with a browser besides.
//!
//! Chromium is installed by the first test if it is not there. Pictures of the pages are left in the folder `pages` of what
//! Cargo keeps for tests, for people to look at.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    unused_imports,
    reason = "a test that cannot go on should stop, and the harness offers more than these tests take"
)]

mod chromium;
#[path = "../behaviour/harness/mod.rs"]
mod harness;

use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tollgate::token::{Scope, Secret, Timestamp};

use crate::chromium::Chromium;
use crate::harness::authority::certificate_of_the_gateway;
use crate::harness::issuer::NOW;
use crate::harness::person::digits;
use crate::harness::tollgate::Tollgate;
use crate::harness::upstream::{Reply, Upstream};

const PASSWORD: &str = "correct horse battery";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The gateway, the program people come from, and a browser.
struct House {
    gateway: Tollgate,
    program: Upstream,
    browser: Chromium,
}

impl House {
    async fn open() -> Self {
        Self::with("").await
    }

    async fn with(pages: &str) -> Self {
        let program = Upstream::start().await;
        program.always(Reply::text(200, "text/html", "<p>back at the program"));
        let file = FILE
            .replace("@program@", &program.url())
            .replace("@pages@", pages);
        let gateway = Tollgate::start(&file).await;
        let accounts = &gateway.kept().accounts;
        let now = Timestamp::from_seconds(NOW);
        let ada = accounts.register("oauth", "ada", Secret::new(PASSWORD), now);
        ada.await.unwrap();
        let all = Scope::parse("orders:read orders:write profile").unwrap();
        assert!(accounts.set_scope("oauth", "ada", all).await.unwrap());
        let browser = Chromium::start(gateway.address("public").port(), &key_hash()).await;
        Self {
            gateway,
            program,
            browser,
        }
    }

    /// Where the program sends people.
    fn door(&self, more: &str) -> String {
        let uri = format!("{}/cb", self.program.url());
        let uri: String = form_urlencoded::byte_serialize(uri.as_bytes()).collect();
        format!(
            "https://gw.test/oauth/authorize?response_type=code&client_id=reader&redirect_uri={uri}\
             &code_challenge={CHALLENGE}&code_challenge_method=S256&state=xyz{more}"
        )
    }

    async fn arrives(&mut self, more: &str) {
        let door = self.door(more);
        self.browser.goes(&door).await;
    }

    /// Types name and password, and sends them.
    async fn signs_in(&mut self, name: &str, password: &str) {
        self.browser.clicks("#name", 3).await;
        self.browser.types(name).await;
        self.browser.clicks("#password", 1).await;
        self.browser.types(password).await;
        self.browser
            .follows(async |page| page.clicks("button.main", 1).await)
            .await;
    }

    /// Types password and digits where the name is there already, and sends them.
    async fn proves(&mut self, password: &str, digits: &str) {
        self.browser.clicks("#password", 1).await;
        self.browser.types(password).await;
        self.browser.clicks("#digits", 1).await;
        self.browser.types(digits).await;
        self.browser
            .follows(async |page| page.clicks("button.main", 1).await)
            .await;
    }

    async fn clicks(&mut self, selector: &str) {
        self.browser
            .follows(async |page| page.clicks(selector, 1).await)
            .await;
    }

    /// What the program was told, each time somebody came back to it.
    fn told(&self) -> Vec<String> {
        let requests = self.program.requests().into_iter();
        let back = requests.filter(|seen| seen.target.starts_with("/cb"));
        back.map(|seen| seen.target).collect()
    }
}

const FILE: &str = r#"
[server]
public_url = "https://gw.test"
worker_threads = 2
shutdown = { announce = "0s", grace = "10s" }

[listener.public]
address = "127.0.0.1:0"
tls = { mode = "files", cert = "gateway.pem", key = { file = "gateway.key" } }

[admin]
address = "127.0.0.1:0"

[telemetry]
access_log = { enabled = false }

[dialect.oauth]
speak = "oauth2"

[client.reader]
secret = { file = "shop.secret" }
title = "Paper Reader"
grants = ["authorization_code", "refresh_token"]
scopes = ["orders:read", "orders:write", "profile"]
redirect_uris = ["@program@/cb"]

[pages]
title = "Northwind"
scopes = { "orders:read" = "See your orders", "orders:write" = "Place and change orders for you", profile = "Know your name and address" }
@pages@

[upstream.u1]
url = "@program@"

[route.all]
path = "/api/**"
upstream = "u1"
"#;

/// By what Chromium believes the gateway: the SHA-256 of its public key (RFC 7469 §2.4).
fn key_hash() -> String {
    let pem = certificate_of_the_gateway().certificate.as_bytes();
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem).unwrap();
    let certificate = pem.parse_x509().unwrap();
    STANDARD.encode(digest::digest(
        &digest::SHA256,
        certificate.public_key().raw,
    ))
}

#[tokio::test]
async fn a_person_signs_in_agrees_and_is_back() {
    let mut house = House::open().await;
    house.arrives("").await;
    let text = house.browser.text().await;
    assert!(
        text.contains("Sign in") && text.contains("Paper Reader"),
        "{text}"
    );
    house.signs_in("ada", PASSWORD).await;
    let text = house.browser.text().await;
    assert!(text.contains("Allow Paper Reader?"), "{text}");
    assert!(text.contains("Place and change orders for you"), "{text}");
    house.clicks("button.main").await;
    assert!(house.browser.text().await.contains("back at the program"));
    let told = house.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("code=") && told[0].contains("state=xyz"),
        "{told:?}"
    );
    // S13: the program learns nothing of where people come from.
    let back = house.program.requests();
    let mut back = back.iter().filter(|seen| seen.target.starts_with("/cb"));
    assert!(back.all(|seen| seen.header("referer").is_none()));
    // Who has agreed is not asked again, and goes straight through.
    house.arrives("").await;
    assert_eq!(house.told().len(), 2);
}

#[tokio::test]
async fn a_person_who_agreed_before_goes_through_after_signing_in() {
    let mut house = House::open().await;
    house.arrives("").await;
    house.signs_in("ada", PASSWORD).await;
    house.clicks("button.main").await;
    house.arrives("&prompt=login").await;
    // The redirect to the program follows that of a form: `form-action` must let it through.
    house.signs_in("ada", PASSWORD).await;
    assert!(house.browser.text().await.contains("back at the program"));
    assert_eq!(house.told().len(), 2);
}

#[tokio::test]
async fn a_person_who_does_not_agree_is_back_without_a_code() {
    let mut house = House::open().await;
    house.arrives("").await;
    house.signs_in("ada", PASSWORD).await;
    house.clicks("button[value=deny]").await;
    let told = house.told();
    assert!(
        told[0].contains("error=access_denied") && !told[0].contains("code="),
        "{told:?}"
    );
    assert!(told[0].contains("state=xyz"), "{told:?}");
}

#[tokio::test]
async fn a_wrong_password_is_said_and_the_name_is_still_there() {
    let mut house = House::open().await;
    house.arrives("").await;
    house.signs_in("ada", "wrong").await;
    let text = house.browser.text().await;
    assert!(text.contains("Name or password is wrong."), "{text}");
    assert!(
        house
            .browser
            .sees("document.title.startsWith('Error: ')")
            .await
    );
    assert!(
        house
            .browser
            .sees("document.querySelector('#name').value === 'ada'")
            .await
    );
    assert!(
        house
            .browser
            .sees("document.querySelector('#password').value === ''")
            .await
    );
    house.browser.focuses("#password").await;
    assert!(
        house
            .browser
            .sees("document.querySelector('[role=alert]') !== null")
            .await
    );
    // Reloading asks nothing and repeats nothing.
    house
        .browser
        .follows(async |page| page.value("location.reload()").await)
        .await;
    assert!(!house.browser.text().await.contains("is wrong"));
    house.signs_in("ada", PASSWORD).await;
    assert!(house.browser.text().await.contains("Allow Paper Reader?"));
}

#[tokio::test]
async fn the_back_button_leads_to_pages_that_still_work() {
    let mut house = House::open().await;
    house.arrives("").await;
    house.signs_in("ada", PASSWORD).await;
    house.clicks("button.main").await;
    assert_eq!(house.told().len(), 1);
    // Back to the question; nothing is kept, so it is asked anew, and answered already.
    house.browser.goes_back().await;
    let mut back = false;
    for _ in 0..2 {
        let text = house.browser.text().await;
        back |= text.contains("Paper Reader") || text.contains("back at the program");
    }
    assert!(back);
    house.arrives("&prompt=consent").await;
    house.clicks("button[value=deny]").await;
    house.browser.goes_back().await;
    house
        .browser
        .until("the question", async |page| {
            page.text().await.contains("Allow Paper Reader?")
        })
        .await;
    house.clicks("button.main").await;
    let told = house.told();
    assert!(told.last().unwrap().contains("code="), "{told:?}");
}

#[tokio::test]
async fn a_double_click_is_one_answer() {
    let mut house = House::open().await;
    house.arrives("").await;
    house.browser.clicks("#name", 1).await;
    house.browser.types("ada").await;
    house.browser.clicks("#password", 1).await;
    house.browser.types(PASSWORD).await;
    house.browser.clicks("button.main", 2).await;
    house
        .browser
        .until("the question", async |page| {
            page.text().await.contains("Allow Paper Reader?")
        })
        .await;
    house.browser.clicks("button.main", 2).await;
    house
        .browser
        .until("the program", async |page| {
            page.text().await.contains("back at the program")
        })
        .await;
    // The program may hear of both clicks; each time it is the same code.
    let mut told = house.told();
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("code="), "{told:?}");
}

#[tokio::test]
async fn the_digits_of_a_second_factor_are_asked_for_and_typed() {
    let mut house = House::open().await;
    let uri = house.gateway.enable_totp("oauth", "ada").await;
    house.arrives("").await;
    house.signs_in("ada", "wrong").await;
    let wanted = "document.querySelector('#digits') !== null";
    assert!(
        !house.browser.sees(wanted).await,
        "a stranger learns of no second factor"
    );
    house.signs_in("ada", PASSWORD).await;
    let text = house.browser.text().await;
    assert!(text.contains("Digits from your app"), "{text}");
    assert!(!text.contains("is wrong"), "{text}");
    house.browser.focuses("#password").await;
    for seen in [
        "document.querySelector('#name').value === 'ada'",
        "document.querySelector('#digits').labels.length === 1",
        "document.querySelector('#digits').inputMode === 'numeric'",
        "document.querySelector('#digits').autocomplete === 'one-time-code'",
        "document.querySelector('[role=alert]') !== null",
    ] {
        assert!(house.browser.sees(seen).await, "{seen}");
    }
    assert_eq!(house.browser.value(CONTRAST).await, serde_json::json!(""));
    house.browser.is_pictured("second-factor").await;
    // A slip of the finger: the page asks again, and tells nobody whether password or digits were wrong.
    let step = house.gateway.seconds() / 30;
    let right = digits(&uri, step);
    let slip = digits(&uri, step + 100);
    house.proves(PASSWORD, &slip).await;
    assert!(house.browser.sees(wanted).await);
    assert!(house.told().is_empty());
    // By the keyboard alone: password, digits, Enter.
    house.browser.focuses("#password").await;
    house.browser.types(PASSWORD).await;
    house.browser.presses("Tab").await;
    house.browser.focuses("#digits").await;
    house.browser.types(&right).await;
    house
        .browser
        .follows(async |page| page.presses("Enter").await)
        .await;
    assert!(house.browser.text().await.contains("Allow Paper Reader?"));
    house.clicks("button.main").await;
    assert!(house.told()[0].contains("code="));
    // The same digits let nobody in a second time.
    house.arrives("&prompt=login").await;
    house.signs_in("ada", PASSWORD).await;
    house.proves(PASSWORD, &right).await;
    assert!(house.browser.sees(wanted).await);
    house.gateway.advance(Duration::from_mins(1));
    let next = digits(&uri, house.gateway.seconds() / 30);
    house.proves(PASSWORD, &next).await;
    assert_eq!(house.told().len(), 2);
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let mut house = House::open().await;
    house.arrives("").await;
    house.signs_in("ada", PASSWORD).await;
    // Somebody else's page sends the very form, in the browser of a person who is signed in.
    let door = house.door("").replace('&', "&amp;");
    let forged = format!(
        "<form method=post action=\"{door}\"><input name=form value=consent><input name=mark value=x>\
         <input name=answer value=allow></form><script>document.forms[0].submit()</script>"
    );
    house.program.next(Reply::text(200, "text/html", &forged));
    let evil = format!("{}/evil", house.program.url());
    house.browser.goes(&evil).await;
    house
        .browser
        .until("the refusal", async |page| {
            page.text().await.contains("out of date")
        })
        .await;
    assert!(house.told().is_empty());
    // The way back in is on the page.
    house.clicks("a.link").await;
    assert!(house.browser.text().await.contains("Allow Paper Reader?"));
}

/// S22
#[tokio::test]
async fn no_page_is_shown_inside_another() {
    let mut house = House::open().await;
    let door = house.door("").replace('&', "&amp;");
    let framing = format!("<iframe src=\"{door}\"></iframe>");
    house.program.next(Reply::text(200, "text/html", &framing));
    let evil = format!("{}/evil", house.program.url());
    house.browser.goes(&evil).await;
    let said = house.browser.is_read_aloud().await;
    assert!(
        said.iter().all(|line| !line.contains("Password")),
        "{said:?}"
    );
}

#[tokio::test]
async fn the_keyboard_is_enough() {
    let mut house = House::open().await;
    house.arrives("").await;
    house.browser.focuses("#name").await;
    house.browser.types("ada").await;
    house.browser.presses("Tab").await;
    house.browser.focuses("#password").await;
    house.browser.types(PASSWORD).await;
    house.browser.presses("Tab").await;
    house.browser.focuses("button.main").await;
    let outline = "parseFloat(getComputedStyle(document.activeElement).outlineWidth) >= 2";
    assert!(house.browser.sees(outline).await, "the focus is seen");
    house
        .browser
        .follows(async |page| page.presses("Enter").await)
        .await;
    // Not you, Deny, Allow.
    for expected in ["button.link", "button[value=deny]", "button[value=allow]"] {
        house.browser.presses("Tab").await;
        house.browser.focuses(expected).await;
    }
    house
        .browser
        .follows(async |page| page.presses(" ").await)
        .await;
    assert!(house.told()[0].contains("code="));
}

#[tokio::test]
async fn no_script_is_needed() {
    let mut house = House::open().await;
    house.browser.runs_scripts(false).await;
    house.arrives("").await;
    house.signs_in("ada", "wrong").await;
    assert!(
        house
            .browser
            .text()
            .await
            .contains("Name or password is wrong.")
    );
    house.signs_in("ada", PASSWORD).await;
    house.clicks("button.main").await;
    assert!(house.told()[0].contains("code="));
}

/// The picture is part of the page, and the page's own policy lets it through.
#[tokio::test]
async fn a_house_with_a_logo_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let drawn = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"120\" height=\"40\">\
                 <rect width=\"120\" height=\"40\" fill=\"#06c\"/></svg>";
    let painted = STANDARD.decode(PIXEL).unwrap();
    for (name, bytes, width) in [
        ("logo.svg", drawn.as_bytes(), 120),
        ("logo.png", &*painted, 1),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let mut house = House::with(&format!("logo = {file:?}")).await;
        house.arrives("").await;
        for seen in [
            "document.images.length === 1".to_owned(),
            "document.images[0].complete".to_owned(),
            format!("document.images[0].naturalWidth === {width}"),
            "document.images[0].getBoundingClientRect().height > 0".to_owned(),
            "document.images[0].alt === 'Northwind'".to_owned(),
            "document.documentElement.scrollWidth <= innerWidth".to_owned(),
        ] {
            assert!(house.browser.sees(&seen).await, "{name}: {seen}");
        }
        let said = house.browser.is_read_aloud().await;
        assert!(
            said.iter().any(|line| line.contains("Northwind")),
            "{said:?}"
        );
        house.browser.is_pictured(&name.replace('.', "-")).await;
        house.signs_in("ada", PASSWORD).await;
        let there = format!("document.images[0].naturalWidth === {width}");
        assert!(house.browser.sees(&there).await, "{name}");
    }
}

/// A picture of one pixel, as PNG.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

#[tokio::test]
async fn another_person_can_sit_down() {
    let mut house = House::open().await;
    house.arrives("").await;
    house.signs_in("ada", PASSWORD).await;
    house.clicks("button.link").await;
    assert!(
        house
            .browser
            .sees("document.querySelector('#password') !== null")
            .await
    );
}

/// Every text against the ground it stands on (WCAG 2.2 §1.4.3), as the browser paints it.
const CONTRAST: &str = r"(() => {
  const parts = colour => colour.match(/[\d.]+/g).map(Number);
  const light = colour => { const [r, g, b] = parts(colour).map(p => { p /= 255; return p <= 0.04045 ? p / 12.92 : ((p + 0.055) / 1.055) ** 2.4 }); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; const p = parts(c); if (p.length < 4 || p[3] > 0) return c } return 'rgb(255, 255, 255)' };
  const poor = [];
  for (const e of document.querySelectorAll('body *')) {
    const says = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || e.tagName === 'INPUT' && e.type !== 'hidden';
    if (!says) continue;
    const [one, two] = [light(getComputedStyle(e).color), light(ground(e))];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (ratio < 4.5) poor.push(e.tagName + ' ' + e.textContent.trim() + ' ' + ratio);
  }
  return poor.join('; ');
})()";

#[tokio::test]
async fn the_pages_are_readable_in_light_and_dark_wide_and_narrow_and_read_aloud() {
    let mut house = House::open().await;
    look(&mut house, "").await;
    let mut yellow = House::with("accent = \"#f5c518\"").await;
    look(&mut yellow, "-yellow").await;
}

/// Every page in every way, with pictures.
async fn look(house: &mut House, suffix: &str) {
    let ways = [
        ("light", 1024, 768),
        ("dark", 1024, 768),
        ("light", 320, 640),
        ("dark", 320, 640),
    ];
    for page in ["sign-in", "wrong", "consent", "fault"] {
        for (scheme, width, height) in ways {
            // Whoever guesses has to wait.
            house.gateway.advance(Duration::from_mins(1));
            house.browser.is_sized(width, height).await;
            house.browser.prefers(scheme).await;
            let at = format!("{page}-{scheme}-{width}{suffix}");
            match page {
                "sign-in" => house.arrives("&prompt=login").await,
                "wrong" => {
                    house.arrives("&prompt=login").await;
                    house.signs_in("ada", "wrong").await;
                }
                "consent" => {
                    house.arrives("&prompt=login%20consent").await;
                    house.signs_in("ada", PASSWORD).await;
                }
                _ => {
                    let unknown = "https://gw.test/oauth/authorize?client_id=nobody";
                    house.browser.goes(unknown).await;
                }
            }
            let poor = house.browser.value(CONTRAST).await;
            assert_eq!(poor, serde_json::json!(""), "{at}");
            let fits = "document.documentElement.scrollWidth <= innerWidth";
            assert!(
                house.browser.sees(fits).await,
                "{at} is wider than its window"
            );
            let named = "[...document.querySelectorAll('input:not([type=hidden])')].every(i => i.labels.length === 1)";
            assert!(house.browser.sees(named).await, "{at}");
            let said = house.browser.is_read_aloud().await;
            assert!(said.iter().any(|line| line.starts_with("main")), "{said:?}");
            assert!(
                said.iter().any(|line| line.starts_with("heading ")),
                "{said:?}"
            );
            assert!(
                house
                    .browser
                    .sees("document.documentElement.lang === 'en'")
                    .await
            );
            house.browser.is_pictured(&at).await;
        }
    }
}
