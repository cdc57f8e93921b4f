//! Which generations of a session have been seen in use: the receipt for an answer that may have been lost.
//!
//! A token names its session and generation in its `jti`. Whoever renews a session learns here, and from the store, to
//! which the notes are carried every second, whether the client ever got what it was sent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::store::SessionId;

/// The newest generation seen of each session since the notes were last carried to the store. A clone is the same book.
#[derive(Clone, Debug, Default)]
pub struct Sightings(Arc<Mutex<HashMap<SessionId, u32>>>);

impl Sightings {
    /// Notes that a token with this `jti` was used. One that names no session is not noted, nor is the first generation,
    /// which took the place of none.
    pub fn note(&self, token_id: &str) {
        let Some(TokenName {
            session,
            generation,
        }) = TokenName::read(token_id).filter(|name| name.generation > 0)
        else {
            return;
        };
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if book.len() < MOST || book.contains_key(&session) {
            let seen = book.entry(session).or_default();
            *seen = generation.max(*seen);
        }
    }

    /// The newest generation noted of a session, if any is that has not been carried away.
    pub fn newest(&self, session: SessionId) -> u32 {
        let book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.get(&session).copied().unwrap_or_default()
    }

    /// All notes. They stay until [`Sightings::strike`] says that they are kept.
    pub fn notes(&self) -> Vec<(SessionId, u32)> {
        let book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.iter().map(|(id, seen)| (*id, *seen)).collect()
    }

    /// Strikes out notes that are kept elsewhere now.
    pub fn strike(&self, notes: &[(SessionId, u32)]) {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (session, kept) in notes {
            if book.get(session).is_some_and(|seen| seen <= kept) {
                book.remove(session);
            }
        }
    }
}

/// What the `jti` of a session's token says: the session and its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenName {
    /// The session.
    pub session: SessionId,
    /// How often it had been renewed.
    pub generation: u32,
}

impl TokenName {
    /// Reads a `jti`, if it is one of ours that names a session.
    pub fn read(token_id: &str) -> Option<Self> {
        let bytes: [u8; NAME] = URL_SAFE_NO_PAD.decode(token_id).ok()?.try_into().ok()?;
        let (session, generation) = bytes.split_first_chunk::<16>()?;
        Some(Self {
            session: SessionId::from_bytes(*session),
            generation: u32::from_be_bytes(generation.try_into().ok()?),
        })
    }

    /// The `jti`.
    pub fn write(self) -> String {
        let mut bytes = [0; NAME];
        let (head, tail) = bytes.split_at_mut(16);
        head.copy_from_slice(self.session.bytes());
        tail.copy_from_slice(&self.generation.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// A session and a generation, in bytes.
const NAME: usize = 16 + 4;

/// Notes beyond these are not taken, and what they would say is not known: a lost answer may then be given again.
const MOST: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: SessionId = SessionId::from_bytes([1; 16]);

    fn token_id(session: SessionId, generation: u32) -> String {
        TokenName {
            session,
            generation,
        }
        .write()
    }

    #[test]
    fn a_token_names_its_session_and_generation() {
        let id = token_id(ONE, 7);
        let name = TokenName::read(&id).unwrap();
        assert_eq!((name.session, name.generation), (ONE, 7));
        for foreign in ["", "t1", "AAAAAAAAAAAAAAAAAAAAAA", &format!("{id}A")] {
            assert_eq!(TokenName::read(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn the_newest_generation_is_noted_until_it_is_kept() {
        let book = Sightings::default();
        for generation in [0, 2, 1] {
            book.note(&token_id(ONE, generation));
        }
        book.note("t1");
        let notes = book.notes();
        assert_eq!(notes, [(ONE, 2)]);
        book.note(&token_id(ONE, 3));
        book.strike(&notes);
        assert_eq!(book.newest(ONE), 3, "what came meanwhile is not lost");
        book.strike(&book.notes());
        assert_eq!(book.newest(ONE), 0);
    }

    #[test]
    fn the_book_has_an_end() {
        let book = Sightings::default();
        for number in 0..u32::try_from(MOST).unwrap() + 9 {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&number.to_be_bytes());
            book.note(&token_id(SessionId::from_bytes(id), 1));
        }
        assert_eq!(book.notes().len(), MOST);
    }
}
