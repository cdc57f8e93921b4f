//! Whom a token is for (RFC 7519 §4.1.3).

use serde_json::Value;

use super::ClaimError;

/// The `aud` claim: one recipient or several.
#[derive(Clone, Copy, Debug)]
pub enum Audience<'a> {
    /// One recipient.
    One(&'a str),
    /// A list of them: texts only.
    Several(&'a [Value]),
}

impl<'a> Audience<'a> {
    /// Reads the claim: a text, or an array of nothing but texts.
    pub(super) fn read(claim: &'a Value) -> Result<Self, ClaimError> {
        match claim {
            Value::String(one) => Ok(Self::One(one)),
            Value::Array(several) if several.iter().all(Value::is_string) => {
                Ok(Self::Several(several))
            }
            _ => Err(ClaimError::WrongType("aud")),
        }
    }

    /// Whether the token is for this recipient and nobody else.
    pub fn is_only(self, recipient: &str) -> bool {
        match self {
            Self::One(one) => one == recipient,
            Self::Several(several) => {
                several.len() == 1 && several.iter().all(|one| one.as_str() == Some(recipient))
            }
        }
    }

    /// Whether the token is for this recipient.
    pub fn includes(self, recipient: &str) -> bool {
        match self {
            Self::One(one) => one == recipient,
            Self::Several(several) => several
                .iter()
                .any(|member| member.as_str() == Some(recipient)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_audience_is_a_text_or_a_list_of_texts_and_nothing_else() {
        let (one, several) = (json!("api"), json!(["web", "api"]));
        assert!(Audience::read(&one).unwrap().includes("api"));
        assert!(Audience::read(&several).unwrap().includes("api"));
        assert!(!Audience::read(&several).unwrap().includes("ap"));
        let alone = json!(["api"]);
        assert!(Audience::read(&one).unwrap().is_only("api"));
        assert!(Audience::read(&alone).unwrap().is_only("api"));
        for more in [several, json!([]), json!("ap")] {
            assert!(!Audience::read(&more).unwrap().is_only("api"));
        }
        for wrong in [json!(1), json!(["api", 1]), json!({"api": 1}), json!(null)] {
            assert!(Audience::read(&wrong).is_err());
        }
    }
}
