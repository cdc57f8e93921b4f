//! What a browser sends along: a form, and the address it was sent to.

/// A form that was sent to us.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// The fields of a body.
    pub(super) fn read(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// The value of this name. What is there twice, or is no text we could keep, is not there.
    pub(super) fn value(&self, name: &str) -> &str {
        let mut values = self.0.iter().filter(|(said, _)| said == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) if !value.contains('\0') => value,
            _ => "",
        }
    }
}

/// This step's own address: our path and the program's request, written anew.
pub(super) fn here(path: &str, said: &[(String, String)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(said);
    format!("{path}?{}", query.finish())
}

/// The same address without the wish that somebody sign in once more.
pub(super) fn without_sign_in(here: &str) -> String {
    let (path, query) = here.split_once('?').unwrap_or((here, ""));
    let kept = |(name, value): (String, String)| {
        if name != "prompt" {
            return Some((name, value));
        }
        let rest: Vec<&str> = value
            .split(' ')
            .filter(|word| !matches!(*word, "login" | "select_account"))
            .collect();
        (!rest.is_empty()).then(|| (name, rest.join(" ")))
    };
    let said: Vec<_> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .filter_map(kept)
        .collect();
    self::here(path, &said)
}
