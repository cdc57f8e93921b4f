//! Sessions: one row per login, from which every token of it is derived.
//!
//! A session counts its generations. Each renewal spends one and begins the next, in one conditional statement, so that
//! of all who come with the same refresh token one wins; what the others hear is for the windows of the profile to say.
//! No refresh token is kept: the one of a generation is computed from the master key, the session and the salt in its
//! row, and can be computed again as long as the windows allow it to be sent again.

use std::time::Duration;

use super::audit::{self, Who};
use super::grant::RotatingRefresh;
use super::sign::{Bearer, sign_for_session};
use super::{IssueError, Issued, LocalIssuer, MasterKey, random};
use crate::store::{
    Account, AccountId, Ended, Ending, Revocation, Revoked, Session, SessionId, Status, Store,
    Whose,
};
use crate::token::{KeyError, Renewal, Rotation, Scope, Subject, Timestamp};
use crate::verify::{Revocations, Sightings, TokenName};

/// Opens, renews and ends sessions. A clone does the same.
#[derive(Clone, Debug)]
pub struct Sessions {
    pub(super) store: Store,
    pub(super) refresh: RotatingRefresh,
    pub(super) revocations: Revocations,
    pub(super) sightings: Sightings,
}

/// A session to be opened.
#[derive(Clone, Debug)]
pub struct Opening<'a> {
    /// Whose login it is; none if the client's own.
    pub account: Option<&'a Account>,
    /// The client it is opened for.
    pub client: &'a str,
    /// The most its tokens may do.
    pub scope: Scope,
    /// The root of the session it continues.
    pub continues: Option<SessionId>,
    /// On what ground, in the words of the audit log.
    pub grant: &'static str,
}

impl Sessions {
    pub(super) fn new(store: Store, master: &MasterKey) -> Result<Self, KeyError> {
        Ok(Self {
            store,
            refresh: RotatingRefresh::new(master)?,
            revocations: Revocations::default(),
            sightings: Sightings::default(),
        })
    }

    pub(super) const fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    pub(super) const fn sightings(&self) -> &Sightings {
        &self.sightings
    }
}

/// How sessions begin.
impl Sessions {
    /// The row of a session that begins now. Nothing is kept yet.
    pub fn plan(
        &self,
        opening: &Opening<'_>,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Session, IssueError> {
        let id = SessionId::from_bytes(random::bytes()?);
        let (idle_end, absolute_end) = ends(issuer, now);
        let subject = match (opening.account, issuer.profile.subject) {
            (None, _) => opening.client.to_owned(),
            (Some(account), Subject::Id) => account.id.to_string(),
            (Some(account), Subject::Name) => account.name.clone(),
        };
        let mut session = Session {
            id,
            root: opening.continues.unwrap_or(id),
            realm: issuer.name.to_string(),
            account: opening.account.map(|account| account.id),
            subject,
            client: opening.client.to_owned(),
            scope: opening.scope.clone(),
            salt: random::bytes()?,
            generation: 0,
            seen: 0,
            renewed_at: now,
            idle_end,
            absolute_end,
            digest: None,
            exclusive: false,
            created_at: now,
            ended: None,
        };
        if let Some(rotation) = rotation(issuer) {
            session.exclusive = rotation.exclusive;
            session.digest = self.refresh.digest(&session, rotation.form)?;
        }
        Ok(session)
    }

    /// The tokens of a session's generation. The row must be kept already, as it is here.
    pub fn issue(
        &self,
        session: &Session,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        self.tokens(session, session.scope.clone(), issuer, now)
    }

    /// Opens a session, and returns its first tokens.
    pub async fn open(
        &self,
        opening: &Opening<'_>,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let session = self.plan(opening, issuer, now)?;
        self.store.add_session(session.clone()).await?;
        self.is_still_theirs(&session, opening.account, issuer, now)
            .await?;
        self.has_a_live_root(&session, issuer, now).await?;
        audit::session_opened(&session, opening.grant);
        self.issue(&session, issuer, now)
    }

    /// Whoever proved a password that was changed, or an account that was disabled, between the proof and the keeping of
    /// the session is too late: the change has ended the sessions it found, and this was not among them.
    pub(super) async fn is_still_theirs(
        &self,
        session: &Session,
        proven: Option<&Account>,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<(), IssueError> {
        let Some(proven) = proven else { return Ok(()) };
        let same = self.store.account(proven.id).await?.filter(|account| {
            account.status == Status::Active && account.generation == proven.generation
        });
        if same.is_none() {
            self.end(session.root, Ending::Account, issuer, now).await?;
            return Err(IssueError::InvalidCredentials);
        }
        Ok(())
    }

    /// Whoever continues a session that is being ended is too late as well. A root that is forgotten was not ended.
    async fn has_a_live_root(
        &self,
        session: &Session,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<(), IssueError> {
        if session.root == session.id {
            return Ok(());
        }
        let root = self.store.session(session.root).await?;
        match root.and_then(|root| root.ended) {
            Some(ended) if ended.why != Ending::Superseded => {
                self.end(session.root, ended.why, issuer, now).await?;
                Err(IssueError::InvalidGrant)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn tokens(
        &self,
        session: &Session,
        scope: Scope,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let name = TokenName {
            session: session.id,
            generation: session.generation,
        };
        let bearer = Bearer {
            subject: &session.subject,
            client: Some(&session.client),
            scope,
        };
        let whose = (&*session.subject, Some(&*session.client));
        let date = self.revocations.issued_at(&issuer.name, whose, now);
        let signed = sign_for_session(&bearer, (session.root, name), issuer, date)?;
        audit::token_issued(
            &issuer.name,
            "session",
            &Who::Session(session.root),
            signed.id.as_deref(),
            &bearer.scope,
        );
        let refresh = rotation(issuer).map(|rotation| self.refresh.token(session, rotation.form));
        let refresh_token = refresh.transpose()?;
        let left = session.idle_end.min(session.absolute_end).since(now);
        let refresh_expires_in = refresh_token.is_some().then_some(left);
        Ok(Issued {
            access_token: signed.token,
            expires_in: signed.expires_in,
            refresh_token,
            refresh_expires_in,
            session: Some(session.root.to_string()),
            scope: bearer.scope,
            scope_as_asked: true,
        })
    }
}

/// How sessions end.
impl Sessions {
    /// Ends a session and all that continue it: no token of theirs is worth anything when this returns. False: there was
    /// none alive.
    pub async fn end(
        &self,
        root: SessionId,
        why: Ending,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<bool, IssueError> {
        let verdict = verdict(Revoked::Session(root), issuer, now);
        let ended = Ended { at: now, why };
        let was_alive = self
            .store
            .end_session(root, ended, Some(verdict.clone()))
            .await?;
        if !was_alive
            && !self
                .revocations
                .has_session(&issuer.name, &root.to_string())
        {
            // One that was superseded has access tokens that live.
            self.store.revoke(verdict.clone()).await?;
        }
        self.revocations.add(&verdict);
        if was_alive {
            audit::session_ended(&issuer.name, root, why);
        }
        Ok(was_alive)
    }

    /// Ends all sessions of an account, and takes back every token that speaks for it. Returns how many there were.
    pub async fn end_all_of(
        &self,
        (account, subject): (AccountId, &str),
        why: Ending,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<u64, IssueError> {
        let verdict = verdict(Revoked::Subject(subject.to_owned()), issuer, now);
        self.end_those(Whose::Account(account), why, &verdict).await
    }

    /// Ends all sessions that were opened for a client at this mount, and takes back every token it was given here.
    pub async fn end_all_for(
        &self,
        client: &str,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<u64, IssueError> {
        let verdict = verdict(Revoked::Client(client.to_owned()), issuer, now);
        self.end_those(Whose::Client(client), Ending::Revoked, &verdict)
            .await
    }

    /// Takes back what is named, which is no session.
    pub(super) async fn revoke(&self, verdict: Revocation) -> Result<(), IssueError> {
        self.store.revoke(verdict.clone()).await?;
        self.revocations.add(&verdict);
        audit::revoked(&verdict);
        Ok(())
    }

    async fn end_those(
        &self,
        whose: Whose<'_>,
        why: Ending,
        verdict: &Revocation,
    ) -> Result<u64, IssueError> {
        let ended = Ended {
            at: verdict.at,
            why,
        };
        let count = self
            .store
            .end_sessions(&verdict.realm, whose, ended, Some(verdict.clone()))
            .await?;
        self.revocations.add(verdict);
        audit::revoked(verdict);
        Ok(count)
    }
}

/// A verdict that holds until the last access token issued before it is dead.
pub(super) fn verdict(of: Revoked, issuer: &LocalIssuer, now: Timestamp) -> Revocation {
    Revocation {
        realm: issuer.name.to_string(),
        of,
        at: now,
        // A token may be dated up to a second ahead.
        until: now
            .plus(issuer.profile.access_lifetime + Duration::from_secs(1))
            .max(issuer.former_end),
    }
}

pub(super) const fn rotation(issuer: &LocalIssuer) -> Option<Rotation> {
    match issuer.profile.renewal {
        Renewal::Rotating(rotation) => Some(rotation),
        Renewal::Never | Renewal::Standing => None,
    }
}

/// Until when a session that begins now can be renewed, unused and at all. One that cannot be renewed lives as long as
/// its only access token.
fn ends(issuer: &LocalIssuer, now: Timestamp) -> (Timestamp, Timestamp) {
    let Some(rotation) = rotation(issuer) else {
        let end = now.plus(issuer.profile.access_lifetime);
        return (end, end);
    };
    let absolute = rotation
        .absolute
        .map_or(Timestamp::from_millis(i64::MAX), |span| now.plus(span));
    (now.plus(rotation.idle).min(absolute), absolute)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issue::testing::{App, House, NOW, is_refused, later};
    use crate::issue::{Answer, Ask};
    use crate::token::{OnReplay, RefreshForm, Secret};
    use crate::verify::Local;

    /// S08, T10, J02, J05
    #[tokio::test]
    async fn a_refresh_token_is_spent_and_the_grant_keeps_its_scope() {
        let house = House::new().await;
        let first = house.open(App::PUBLIC).await;
        let claims = house.claims(&first);
        assert_eq!(claims["sid"], first.session.clone().unwrap());
        assert_eq!(claims["client_id"], "app");
        let narrow = house.refresh(App::PUBLIC, &first, Some("read"), NOW).await;
        let narrow = narrow.unwrap();
        assert_eq!(narrow.scope.as_str(), "read");
        assert_ne!(House::key(&narrow), House::key(&first));
        assert_ne!(house.claims(&narrow)["jti"], claims["jti"]);
        let more = house.refresh(App::PUBLIC, &narrow, Some("read admin"), NOW);
        assert!(matches!(more.await, Err(IssueError::InvalidScope)));
        let whole = house.refresh(App::PUBLIC, &narrow, None, NOW).await;
        assert_eq!(whole.unwrap().scope.as_str(), "read write");
    }

    /// T11, TK-07
    #[tokio::test]
    async fn a_refresh_token_is_its_own_clients_alone() {
        let house = House::new().await;
        let of_shop = house.open(App::SHOP).await;
        for other in [App::KIOSK, App::PUBLIC] {
            let refused = house.refresh(other, &of_shop, None, NOW).await;
            assert!(is_refused(&refused), "{other:?}");
        }
        assert!(house.refresh(App::SHOP, &of_shop, None, NOW).await.is_ok());
    }

    /// T15: a client that may not renew does not, whatever it holds.
    #[tokio::test]
    async fn a_client_without_the_grant_renews_nothing() {
        let house = House::new().await;
        let issued = house.open(App::IDLE).await;
        let refused = house.refresh(App::IDLE, &issued, None, NOW).await;
        assert!(matches!(refused, Err(IssueError::UnauthorizedClient)));
    }

    #[tokio::test]
    async fn those_who_ask_at_the_same_time_get_the_same_successor() {
        let house = House::new().await;
        let first = house.open(App::PUBLIC).await;
        let winner = house.refresh(App::PUBLIC, &first, None, NOW).await.unwrap();
        let other = house.refresh(App::PUBLIC, &first, None, later(9)).await;
        let other = other.unwrap();
        assert_eq!(House::key(&other), House::key(&winner));
        assert_eq!(other.expires_in, Duration::from_secs(591), "what is left");
        let claims = house.claims(&other);
        assert_eq!(claims["exp"], NOW.seconds() + 600, "and not a second more");
    }

    #[tokio::test]
    async fn an_answer_that_was_lost_is_given_again_until_it_is_seen() {
        let house = House::new().await;
        let first = house.open(App::PUBLIC).await;
        let lost = house.refresh(App::PUBLIC, &first, None, NOW).await.unwrap();
        let again = house.refresh(App::PUBLIC, &first, None, later(500)).await;
        let again = again.unwrap();
        assert_eq!(House::key(&again), House::key(&lost));
        assert_eq!(again.expires_in, Duration::from_mins(10), "made anew");
        // The access token arrives at the gate.
        let jti = house.claims(&again)["jti"].as_str().unwrap().to_owned();
        house.mint.sightings().note(&jti);
        let replay = house.refresh(App::PUBLIC, &first, None, later(501)).await;
        assert!(is_refused(&replay));
    }

    #[tokio::test]
    async fn a_sighting_that_was_carried_to_the_store_counts_as_well() {
        let house = House::new().await;
        let first = house.open(App::SHOP).await;
        let next = house.refresh(App::SHOP, &first, None, NOW).await.unwrap();
        let jti = house.claims(&next)["jti"].as_str().unwrap().to_owned();
        let name = TokenName::read(&jti).unwrap();
        let seen = vec![(name.session, name.generation)];
        house.store.note_seen(seen).await.unwrap();
        let replay = house.refresh(App::SHOP, &first, None, later(11)).await;
        assert!(is_refused(&replay));
        assert!(
            house
                .refresh(App::SHOP, &next, None, later(11))
                .await
                .is_ok()
        );
    }

    /// TK-04, S19, X-22: of a public client nobody knows who of the two is the thief.
    #[tokio::test]
    async fn a_spent_token_of_a_public_client_ends_its_session() {
        let house = House::new().await;
        let first = house.open(App::PUBLIC).await;
        let second = house.refresh(App::PUBLIC, &first, None, NOW).await.unwrap();
        let third = house.refresh(App::PUBLIC, &second, None, later(1)).await;
        let third = third.unwrap();
        assert!(house.is_good(&third, later(2)));
        let replay = house.refresh(App::PUBLIC, &first, None, later(2)).await;
        assert!(is_refused(&replay));
        for issued in [&first, &second, &third] {
            assert!(!house.is_good(issued, later(2)));
            assert!(is_refused(
                &house.refresh(App::PUBLIC, issued, None, later(2)).await
            ));
        }
    }

    /// S19: one that has proven which it is is refused, and goes on.
    #[tokio::test]
    async fn a_spent_token_of_an_authenticated_client_is_only_refused() {
        let house = House::new().await;
        let first = house.open(App::SHOP).await;
        let second = house.refresh(App::SHOP, &first, None, NOW).await.unwrap();
        let third = house.refresh(App::SHOP, &second, None, later(1)).await;
        assert!(is_refused(
            &house.refresh(App::SHOP, &first, None, later(2)).await
        ));
        let third = third.unwrap();
        assert!(house.is_good(&third, later(2)));
        assert!(
            house
                .refresh(App::SHOP, &third, None, later(3))
                .await
                .is_ok()
        );
    }

    /// TK-03: the windows closed.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_fifty_at_once_exactly_one_wins() {
        let mut house = House::new().await;
        house.rotation(|rotation| {
            rotation.race = Duration::ZERO;
            rotation.lost = Duration::ZERO;
            rotation.on_replay = OnReplay::Refuse;
        });
        for round in 0..20 {
            let first = house.open(App::PUBLIC).await;
            let answers = house.race(App::PUBLIC, &first, 50).await;
            let winners: Vec<_> = answers.iter().filter_map(|a| a.as_ref().ok()).collect();
            assert_eq!(winners.len(), 1, "round {round}");
            assert!(
                answers
                    .iter()
                    .all(|answer| answer.is_ok() || is_refused(answer))
            );
            let next = house.refresh(App::PUBLIC, winners[0], None, NOW).await;
            assert!(next.is_ok(), "the winner's token is the live one");
        }
    }

    /// TK-03: the windows open.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_fifty_at_once_all_get_the_same_successor() {
        let house = House::new().await;
        for round in 0..20 {
            let first = house.open(App::PUBLIC).await;
            let answers = house.race(App::PUBLIC, &first, 50).await;
            let keys: Vec<_> = answers
                .into_iter()
                .map(|a| House::key(&a.unwrap()))
                .collect();
            assert!(keys.iter().all(|key| *key == keys[0]), "round {round}");
        }
    }

    /// S20
    #[tokio::test]
    async fn a_session_ends_when_it_is_not_used_and_in_any_case() {
        let house = House::new().await;
        let day = 24 * 3600;
        let first = house.open(App::SHOP).await;
        assert!(is_refused(
            &house
                .refresh(App::SHOP, &first, None, later(14 * day))
                .await
        ));
        let mut issued = house.open(App::SHOP).await;
        for days in (0..90).step_by(13) {
            issued = house
                .refresh(App::SHOP, &issued, None, later(days * day))
                .await
                .unwrap();
        }
        assert!(is_refused(
            &house
                .refresh(App::SHOP, &issued, None, later(90 * day))
                .await
        ));
    }

    /// every earlier one is known as one, and ends the session where that is wanted.
    #[tokio::test]
    async fn a_spent_number_is_known_for_the_sessions_whole_life() {
        for (back, on_replay) in [
            (1, OnReplay::End),
            (4, OnReplay::End),
            (4, OnReplay::Refuse),
        ] {
            let mut house = House::new().await;
            house.rotation(|rotation| {
                rotation.form = RefreshForm::Hex;
                rotation.race = Duration::ZERO;
                rotation.lost = Duration::ZERO;
                rotation.on_replay = on_replay;
            });
            let mut all = vec![house.open(App::SHOP).await];
            for _ in 0..back {
                let live = all.last().unwrap();
                all.push(house.refresh(App::SHOP, live, None, NOW).await.unwrap());
            }
            // Brought by somebody else, it says nothing about the client it was given to.
            let stranger = house.refresh(App::KIOSK, &all[0], None, NOW).await;
            assert!(is_refused(&stranger));
            let replay = house.refresh(App::SHOP, &all[0], None, later(1)).await;
            assert!(is_refused(&replay));
            let live = house.refresh(App::SHOP, &all[back], None, later(2)).await;
            let goes_on = on_replay == OnReplay::Refuse;
            assert_eq!(live.is_ok(), goes_on, "{back} back, {on_replay:?}");
        }
    }

    #[tokio::test]
    async fn the_short_form_is_a_number_and_keeps_to_the_same_windows() {
        let mut house = House::new().await;
        house.rotation(|rotation| rotation.form = RefreshForm::Hex);
        let first = house.open(App::SHOP).await;
        let key = House::key(&first);
        assert!(key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let second = house.refresh(App::SHOP, &first, None, NOW).await.unwrap();
        let again = house.refresh(App::SHOP, &first, None, later(9)).await;
        assert_eq!(House::key(&again.unwrap()), House::key(&second));
        assert!(house.refresh(App::SHOP, &second, None, NOW).await.is_ok());
    }

    #[tokio::test]
    async fn where_there_is_one_session_the_next_takes_its_place() {
        let mut house = House::new().await;
        house.rotation(|rotation| rotation.exclusive = true);
        let (old, of_kiosk) = (house.open(App::SHOP).await, house.open(App::KIOSK).await);
        let new = house.open(App::SHOP).await;
        assert!(is_refused(&house.refresh(App::SHOP, &old, None, NOW).await));
        assert!(
            house.is_good(&old, NOW),
            "its access tokens live out their time"
        );
        for (app, issued) in [(App::SHOP, &new), (App::KIOSK, &of_kiosk)] {
            assert!(house.refresh(app, issued, None, NOW).await.is_ok());
        }
    }

    /// S20, X-22
    #[tokio::test]
    async fn a_disabled_account_loses_everything_at_once() {
        let house = House::new().await;
        let (one, other) = (house.open(App::PUBLIC).await, house.open(App::SHOP).await);
        let client = house.client_token(App::SHOP).await;
        let ended = house.mint.end_account("ada", &house.issuer, NOW).await;
        assert_eq!(ended.unwrap(), Some(2));
        for (app, issued) in [(App::PUBLIC, &one), (App::SHOP, &other)] {
            assert!(!house.is_good(issued, NOW));
            assert!(is_refused(&house.refresh(app, issued, None, NOW).await));
        }
        assert!(house.is_good(&client, NOW), "that is the client's own");
        let nobody = house.mint.end_account("eve", &house.issuer, NOW).await;
        assert_eq!(nobody.unwrap(), None);
        let new = house
            .open_at(App::SHOP, Timestamp::from_millis(NOW.millis() + 1))
            .await;
        assert!(
            house.is_good(&new, later(1)),
            "also in the second of the cut"
        );
    }

    #[tokio::test]
    async fn a_client_that_is_cut_off_loses_its_sessions_and_tokens() {
        let house = House::new().await;
        let (session, own) = (
            house.open(App::SHOP).await,
            house.client_token(App::SHOP).await,
        );
        let other = house.open(App::KIOSK).await;
        let ended = house.mint.end_client("shop", &house.issuer, NOW).await;
        assert_eq!(ended.unwrap(), 1);
        assert!(!house.is_good(&session, NOW) && !house.is_good(&own, NOW));
        assert!(house.is_good(&other, NOW));
    }

    /// Whoever proved a password just before it was changed is too late.
    #[tokio::test]
    async fn a_session_is_not_opened_with_what_was_proven_before_a_change() {
        let house = House::new().await;
        let before = house.account().await;
        house.store.bump_generation(before.id).await.unwrap();
        let opening = Opening {
            account: Some(&before),
            client: "shop",
            scope: Scope::empty(),
            continues: None,
            grant: "password",
        };
        let refused = house
            .mint
            .sessions()
            .open(&opening, &house.issuer, NOW)
            .await;
        assert!(matches!(refused, Err(IssueError::InvalidCredentials)));
        let live = house.mint.list_sessions(None, &house.issuer).await.unwrap();
        assert!(live.unwrap().is_empty());
    }

    #[tokio::test]
    async fn all_that_continue_a_session_end_with_it() {
        let house = House::new().await;
        let root = house.open(App::SHOP).await;
        let id = SessionId::from_hex(&root.session.clone().unwrap()).unwrap();
        let next = house.continued(App::SHOP, id).await;
        assert_eq!(next.session, root.session, "one session to whoever looks");
        house.revoke(App::SHOP, &next).await.unwrap();
        for issued in [&root, &next] {
            assert!(!house.is_good(issued, NOW));
            assert!(is_refused(
                &house.refresh(App::SHOP, issued, None, NOW).await
            ));
        }
    }

    #[tokio::test]
    async fn nobody_continues_a_session_that_has_ended() {
        let house = House::new().await;
        let root = house.open(App::SHOP).await;
        let id = SessionId::from_hex(&root.session.clone().unwrap()).unwrap();
        house.revoke(App::SHOP, &root).await.unwrap();
        let opening = Opening {
            account: None,
            client: "shop",
            scope: Scope::empty(),
            continues: Some(id),
            grant: "wallet",
        };
        let sessions = house.mint.sessions();
        let late = sessions.open(&opening, &house.issuer, NOW).await;
        assert!(matches!(late, Err(IssueError::InvalidGrant)));
        let live = house.mint.list_sessions(None, &house.issuer).await.unwrap();
        assert!(live.unwrap().is_empty());
    }

    /// V01, V03, V04, V07: either token ends the session, and there is nothing to guess at.
    #[tokio::test]
    async fn either_token_ends_the_session_at_once() {
        for by_access in [true, false] {
            let house = House::new().await;
            let first = house.open(App::PUBLIC).await;
            let issued = house.refresh(App::PUBLIC, &first, None, NOW).await.unwrap();
            let token = if by_access {
                issued.access_token.clone()
            } else {
                issued.refresh_token.clone().unwrap()
            };
            house.revoke_token(App::PUBLIC, &token, NOW).await.unwrap();
            assert!(!house.is_good(&issued, NOW) && !house.is_good(&first, NOW));
            assert!(is_refused(
                &house.refresh(App::PUBLIC, &issued, None, NOW).await
            ));
        }
    }

    /// V01: a token that belongs to no session is taken back alone. An access token that is dead still names its session.
    #[tokio::test]
    async fn a_clients_own_token_is_taken_back_alone() {
        let house = House::new().await;
        let (one, other) = (
            house.client_token(App::SHOP).await,
            house.client_token(App::SHOP).await,
        );
        house.revoke(App::SHOP, &one).await.unwrap();
        assert!(!house.is_good(&one, NOW) && house.is_good(&other, NOW));
        let session = house.open(App::SHOP).await;
        let dead = later(3600);
        let revoked = house.revoke_token(App::SHOP, &session.access_token, dead);
        revoked.await.unwrap();
        assert!(is_refused(
            &house.refresh(App::SHOP, &session, None, dead).await
        ));
    }

    /// V02, V05: somebody else's token is left alone, one that is nobody's is no error, and both sound the same.
    #[tokio::test]
    async fn what_is_not_the_clients_is_left_alone() {
        let house = House::new().await;
        let issued = house.open(App::SHOP).await;
        for token in [&issued.access_token, issued.refresh_token.as_ref().unwrap()] {
            house.revoke_token(App::KIOSK, token, NOW).await.unwrap();
        }
        assert!(house.is_good(&issued, NOW));
        for nonsense in ["", "x", "tgrt_", "a.b.c"] {
            let token = Secret::new(nonsense);
            house.revoke_token(App::SHOP, &token, NOW).await.unwrap();
        }
        let stranger = House::credentials("shop", "wrong");
        let ask = Ask::Revoke {
            client: stranger,
            token: issued.access_token.clone(),
        };
        let refused = house.mint.answer(ask, &house.issuer, NOW).await;
        assert!(matches!(refused, Err(IssueError::InvalidClient { .. })));
        assert!(house.refresh(App::SHOP, &issued, None, NOW).await.is_ok());
        for _ in 0..2 {
            house.revoke(App::SHOP, &issued).await.unwrap();
        }
    }

    /// V06
    #[tokio::test]
    async fn without_the_store_nothing_is_said_to_be_revoked() {
        let house = House::new().await;
        let issued = house.open(App::SHOP).await;
        house.store.close().await;
        let revoked = house.revoke(App::SHOP, &issued).await;
        assert!(matches!(revoked, Err(IssueError::Store(_))));
        let renewed = house.refresh(App::SHOP, &issued, None, NOW).await;
        assert!(matches!(renewed, Err(IssueError::Store(_))));
    }

    /// I01, I05: whoever anybody can pretend to be may not try tokens.
    #[tokio::test]
    async fn only_a_client_that_proves_itself_may_ask_what_a_token_is_worth() {
        let house = House::new().await;
        let issued = house.open(App::SHOP).await;
        let public = house
            .introspect(App::PUBLIC, &issued.access_token, NOW)
            .await;
        assert!(matches!(public, Err(IssueError::InvalidClient { .. })));
        let ask = Ask::Introspect {
            client: House::credentials("shop", "wrong"),
            token: issued.access_token,
            signed: true,
        };
        let wrong = house.mint.answer(ask, &house.issuer, NOW).await;
        assert!(matches!(wrong, Err(IssueError::InvalidClient { .. })));
    }

    /// I02, I03, I04
    #[tokio::test]
    async fn what_a_token_is_worth_is_checked_as_at_the_gate() {
        let house = House::new().await;
        let issued = house.open(App::SHOP).await;
        let (access, refresh) = (&issued.access_token, issued.refresh_token.as_ref().unwrap());
        let seen = house
            .introspect(App::KIOSK, access, NOW)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(seen.client.as_deref(), Some("shop"));
        assert_eq!(seen.username.as_deref(), Some("ada"));
        assert_eq!(seen.subject, house.account().await.id.to_string());
        assert_eq!(seen.expires_at, Some(later(600)));
        assert_eq!(seen.scope.as_str(), "read write");
        let of_refresh = house.introspect(App::SHOP, refresh, NOW).await.unwrap();
        assert!(of_refresh.is_some_and(|seen| seen.is_refresh_token));

        let altered = Secret::new(format!("{}x", access.reveal()));
        let nothing = Secret::new("nothing");
        for (app, token, at) in [
            (App::KIOSK, refresh, NOW),
            (App::SHOP, access, later(600)),
            (App::SHOP, &altered, NOW),
            (App::SHOP, &nothing, NOW),
        ] {
            assert!(house.introspect(app, token, at).await.unwrap().is_none());
        }
        house.revoke(App::SHOP, &issued).await.unwrap();
        for token in [access, refresh] {
            assert!(
                house
                    .introspect(App::SHOP, token, NOW)
                    .await
                    .unwrap()
                    .is_none()
            );
        }
    }

    /// I02: a token of another mount is as unknown as any.
    #[tokio::test]
    async fn a_token_of_another_mount_is_worth_nothing_here() {
        let house = House::new().await;
        let issued = house.open(App::SHOP).await;
        let mut elsewhere = house.issuer.clone();
        elsewhere.identifier = "https://api.test/other".to_owned();
        elsewhere.audience = elsewhere.identifier.clone();
        elsewhere.name = "other".into();
        for token in [
            issued.access_token.clone(),
            issued.refresh_token.clone().unwrap(),
        ] {
            let ask = Ask::Introspect {
                client: House::credentials("shop", "shop secret"),
                token,
                signed: false,
            };
            let answer = house.mint.answer(ask, &elsewhere, NOW).await;
            assert!(matches!(answer, Ok(Answer::Introspected(None))));
        }
        let sessions = house.mint.sessions();
        let token = issued.refresh_token.as_ref().unwrap();
        assert!(sessions.find(token, &elsewhere).await.is_err());
    }

    /// J01, J03, J04: what is signed for a session is held to the same rules as any other token.
    #[tokio::test]
    async fn a_sessions_token_is_verified_strictly() {
        let house = House::new().await;
        let issued = house.open(App::SHOP).await;
        let local = |change: fn(&mut Local)| {
            let mut local = crate::issue::revoke::ours(&house.issuer);
            change(&mut local);
            local.read(issued.access_token.reveal(), Some(NOW))
        };
        assert!(local(|_| {}).is_ok());
        assert!(local(|local| local.audience.push('x')).is_err());
        assert!(local(|local| local.identifier.push('x')).is_err());
        assert!(local(|local| local.profile.header_type = "JWT").is_err());
    }

    /// TK-04: an earlier refresh token is known for as long as the session is, also after a restart of the program.
    #[tokio::test]
    async fn nothing_of_a_session_is_lost_in_a_restart() {
        let house = House::new().await;
        let first = house.open(App::PUBLIC).await;
        let second = house.refresh(App::PUBLIC, &first, None, NOW).await.unwrap();
        let house = house.restart().await;
        let third = house.refresh(App::PUBLIC, &second, None, later(1)).await;
        let third = third.unwrap();
        assert!(is_refused(
            &house.refresh(App::PUBLIC, &first, None, later(2)).await
        ));
        let house = house.restart().await;
        assert!(
            !house.is_good(&third, later(3)),
            "the verdict is read at start"
        );
        assert!(is_refused(
            &house.refresh(App::PUBLIC, &third, None, later(3)).await
        ));
    }
}
