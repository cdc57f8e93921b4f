//! Texts that many tokens share, kept once.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

/// The clients and scopes that were seen last. Tokens come in thousands, and most of them say what others said before:
/// whoever remembers one remembers that text with them.
pub(super) struct Names {
    places: [Mutex<Option<Arc<str>>>; PLACES],
    hasher: RandomState,
}

/// How many texts are kept. One that is pushed out lives on with the tokens that have it.
const PLACES: usize = 256;

impl Default for Names {
    fn default() -> Self {
        Self {
            places: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }
}

impl Names {
    /// This text, shared with whoever had it lately.
    pub(super) fn share(&self, text: &str) -> Arc<str> {
        let place = self.hasher.hash_one(text).to_ne_bytes().first().copied();
        let Some(place) = self.places.get(usize::from(place.unwrap_or_default())) else {
            return Arc::from(text);
        };
        let mut kept = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.as_ref().filter(|kept| ***kept == *text) {
            return Arc::clone(kept);
        }
        let new: Arc<str> = Arc::from(text);
        *kept = Some(Arc::clone(&new));
        new
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_comes_again_is_the_same() {
        let names = Names::default();
        let first = names.share("shop");
        assert!(Arc::ptr_eq(&first, &names.share("shop")));
        for number in 0..10 * PLACES {
            assert_eq!(&*names.share(&number.to_string()), number.to_string());
        }
        assert_eq!(names.share("shop"), first);
    }
}
