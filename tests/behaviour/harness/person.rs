//! A person at a browser without scripts: keeps the cookie, sees pages, sends their forms, and follows no redirect by itself.

use aws_lc_rs::hmac;

use super::exchange::{Answer, Client};

/// Somebody at a browser of their own.
pub(crate) struct Person {
    client: Client,
    /// What the browser keeps, as `name=value`.
    pub(crate) cookie: Option<String>,
}

impl Person {
    /// Somebody we have not seen before.
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            cookie: None,
        }
    }

    /// Goes to an address of the gateway.
    pub(crate) async fn goes(&mut self, path: &str) -> Answer {
        let request = self.client.get(path);
        let request = match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        };
        let answer = request.send().await;
        self.keep(&answer);
        answer
    }

    /// Sends a form to an address of the gateway, as a page of it would.
    pub(crate) async fn sends(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = self.client.post(path).form(fields);
        let request = request.header("sec-fetch-site", "same-origin");
        let request = match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        };
        let answer = request.send().await;
        self.keep(&answer);
        answer
    }

    /// Fills in the sign-in form of a page.
    pub(crate) async fn signs_in(&mut self, page: &Answer, name: &str, password: &str) -> Answer {
        let (action, mark) = form(page, "sign_in");
        let fields = [
            ("form", "sign_in"),
            ("mark", mark.as_str()),
            ("name", name),
            ("password", password),
        ];
        self.sends(&action, &fields).await
    }

    /// Answers the question of a consent page.
    pub(crate) async fn answers(&mut self, page: &Answer, answer: &str) -> Answer {
        let (action, mark) = form(page, "consent");
        let fields = [
            ("form", "consent"),
            ("mark", mark.as_str()),
            ("answer", answer),
        ];
        self.sends(&action, &fields).await
    }

    /// Goes to an address, signs in, follows back.
    pub(crate) async fn arrives_as(&mut self, path: &str, name: &str, password: &str) -> Answer {
        let page = self.goes(path).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let signed_in = self.signs_in(&page, name, password).await;
        assert_eq!(signed_in.status, 303, "{}", signed_in.text());
        self.goes(location(&signed_in)).await
    }

    fn keep(&mut self, answer: &Answer) {
        if let Some(cookie) = answer.header("set-cookie") {
            let pair = cookie.split(';').next().unwrap();
            self.cookie = Some(pair.to_owned());
        }
    }
}

/// Where a redirect leads.
pub(crate) fn location(answer: &Answer) -> &str {
    let location = answer.header("location");
    location.unwrap_or_else(|| panic!("no redirect: {} {}", answer.status, answer.text()))
}

/// The value of this name in the query of a redirect.
pub(crate) fn told(answer: &Answer, name: &str) -> Option<String> {
    let (_, query) = location(answer).split_once('?')?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs
        .find(|(said, _)| said == name)
        .map(|(_, value)| value.into_owned())
}

/// Where a form of a page goes, and its mark.
pub(crate) fn form(page: &Answer, name: &str) -> (String, String) {
    let text = page.text();
    let forms = text.split("<form ").skip(1);
    let marker = format!("name=\"form\" value=\"{name}\"");
    let mut forms = forms.filter(|form| form.contains(&marker));
    let form = forms
        .next()
        .unwrap_or_else(|| panic!("no form {name} in {text}"));
    let between = |before: &str| {
        let (_, rest) = form.split_once(before).unwrap();
        let (value, _) = rest.split_once('"').unwrap();
        value.replace("&amp;", "&").replace("&#38;", "&")
    };
    (between("action=\""), between("name=\"mark\" value=\""))
}

/// What an app shows for a step of thirty seconds (RFC 6238), from the address it was told.
pub(crate) fn digits(uri: &str, step: i64) -> String {
    let (_, rest) = uri.split_once("secret=").unwrap();
    let (secret, _) = rest.split_once('&').unwrap();
    let values = secret.bytes().map(|symbol| match symbol {
        b'A'..=b'Z' => symbol - b'A',
        _ => symbol - b'2' + 26,
    });
    let bits: Vec<u8> = values
        .flat_map(|value| (0..5).rev().map(move |bit| value >> bit & 1))
        .collect();
    let bytes = bits.chunks_exact(8);
    let key: Vec<u8> = bytes
        .map(|byte| byte.iter().fold(0, |value, bit| value << 1 | bit))
        .collect();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[19] & 0xf);
    let number = u32::from_be_bytes(tag[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}
