//! What the store costs: a look-up, a durable change, many durable changes asked for at once, and renewals of sessions
//! in a large table, with the room a session takes.
//!
//! A change is on the disk when it returns, so its price is the disk's; asked for together, changes share it.
//! The folder is `TMPDIR`: on a file system in memory the figures say little. `TOLLGATE_BENCH_SESSIONS` says how many
//! sessions there are, a million if it does not; making them takes a minute or two, so
//! `cargo bench --bench store -- --sample-size 20 renewals` is the way to that figure alone.

use std::error::Error;

use criterion::{Criterion, Throughput};
use futures_util::future::try_join_all;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tollgate::store::{
    Account, AccountId, Addition, Session, SessionId, Store, StoreSettings, Turn,
};
use tollgate::token::{Digest, Scope, Secret, Timestamp};

const REALM: &str = "bench";
const ACCOUNTS: u32 = 1000;
const AT_ONCE: u32 = 32;
const RENEWALS: u32 = 256;

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let bed = Bed::new()?;
    store(&mut criterion, &bed);
    sessions(&mut criterion, &bed)?;
    bed.runtime.block_on(bed.store.close());
    criterion.final_summary();
    Ok(())
}

fn store(criterion: &mut Criterion, bed: &Bed) {
    let mut group = criterion.benchmark_group("store");
    let mut turn = 0;
    group.bench_function("find an account", |bencher| {
        bencher.iter(|| {
            turn = (turn + 1) % ACCOUNTS;
            bed.runtime
                .block_on(bed.store.account_by_name(REALM, &name(turn)))
        });
    });
    group.bench_function("one durable change", |bencher| {
        bencher.iter(|| bed.runtime.block_on(bed.store.bump_generation(id(0))));
    });
    group.throughput(Throughput::Elements(AT_ONCE.into()));
    group.bench_function("32 durable changes at once", |bencher| {
        bencher.iter(|| {
            bed.runtime.block_on(try_join_all(
                (0..AT_ONCE).map(|number| bed.store.bump_generation(id(number))),
            ))
        });
    });
    group.finish();
}

#[expect(
    clippy::print_stderr,
    reason = "the room a session takes is a figure, too"
)]
fn sessions(criterion: &mut Criterion, bed: &Bed) -> Result<(), Box<dyn Error>> {
    let count = std::env::var_os("TOLLGATE_BENCH_SESSIONS");
    let count = count.map_or(Ok(1_000_000), |text| text.to_string_lossy().parse())?;
    let empty = bed.bytes()?;
    for first in (0..count).step_by(512) {
        let openings = (first..count.min(first + 512)).map(|n| bed.store.add_session(session(n)));
        bed.runtime.block_on(try_join_all(openings))?;
    }
    let each = (bed.bytes()? - empty) / u64::from(count);
    eprintln!("{count} sessions, {each} bytes each with all indexes");

    let mut generations = vec![0_u32; count as usize];
    let mut turn = 0_u32;
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(RENEWALS.into()));
    group.bench_function("256 renewals at once", |bencher| {
        bencher.iter(|| {
            let renewals = (0..RENEWALS).map(|_| {
                // All over the table: a step that shares no factor with its size.
                turn = (turn + 611_953) % count;
                let generation = &mut generations[turn as usize];
                *generation += 1;
                bed.store.rotate_session(renewal(turn, *generation - 1))
            });
            bed.runtime.block_on(try_join_all(renewals))
        });
    });
    group.finish();
    let each = (bed.bytes()? - empty) / u64::from(count);
    eprintln!("{each} bytes each after renewals");
    Ok(())
}

/// An open store with accounts in it.
struct Bed {
    runtime: Runtime,
    store: Store,
    folder: TempDir,
}

impl Bed {
    fn new() -> Result<Self, Box<dyn Error>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let folder = tempfile::tempdir()?;
        let store = runtime.block_on(Store::open(&StoreSettings::default(), folder.path()))?;
        let added = runtime.block_on(try_join_all(
            (0..ACCOUNTS).map(|number| store.add_account(account(number))),
        ))?;
        if added.iter().any(|addition| *addition != Addition::Added) {
            return Err("the store was not empty".into());
        }
        Ok(Self {
            runtime,
            store,
            folder,
        })
    }

    /// What the store is on the disk, but for the last few changes, which are still in the log.
    fn bytes(&self) -> Result<u64, Box<dyn Error>> {
        Ok(self.folder.path().join("tollgate.db").metadata()?.len())
    }
}

fn account(number: u32) -> Account {
    let made = Timestamp::from_seconds(1_700_000_000);
    Account {
        key: format!("{number:032x}"),
        password: Secret::new("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"),
        ..Account::new(id(number), REALM, &name(number), made)
    }
}

fn id(number: u32) -> AccountId {
    AccountId::from_bytes(u128::from(number).to_be_bytes())
}

fn name(number: u32) -> String {
    format!("user-{number:08}")
}

fn session(number: u32) -> Session {
    let id = session_id(number);
    Session {
        id,
        root: id,
        realm: REALM.to_owned(),
        account: Some(AccountId::from_bytes(u128::from(number / 2).to_be_bytes())),
        subject: format!("{:032x}", number / 2),
        client: "shop".to_owned(),
        scope: Scope::parse("orders:read orders:write").unwrap_or_else(|_| Scope::empty()),
        salt: *id.bytes(),
        generation: 0,
        seen: 0,
        renewed_at: Timestamp::from_seconds(1_700_000_000),
        idle_end: Timestamp::from_seconds(1_800_000_000),
        absolute_end: Timestamp::from_seconds(1_900_000_000),
        digest: None,
        exclusive: false,
        created_at: Timestamp::from_seconds(1_700_000_000),
        ended: None,
    }
}

/// As random as the real ones, and the same every time.
fn session_id(number: u32) -> SessionId {
    let mut id = [0; 16];
    id.copy_from_slice(&Digest::of(&number.to_be_bytes()).bytes()[..16]);
    SessionId::from_bytes(id)
}

fn renewal(number: u32, from: u32) -> Turn {
    Turn {
        id: session_id(number),
        from,
        now: Timestamp::from_seconds(1_750_000_000),
        idle_end: Timestamp::from_seconds(1_800_000_000),
        digest: None,
    }
}
