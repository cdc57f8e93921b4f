//! What the store costs: a look-up, a durable change, and many durable changes asked for at once.
//!
//! A change is on the disk when it returns, so its price is the disk's; asked for together, changes share it.
//! The folder is the system's temporary one: on a file system in memory the figures say little.

use std::error::Error;

use criterion::{Criterion, Throughput};
use futures_util::future::try_join_all;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tollgate::store::{Account, AccountId, Addition, Status, Store, StoreSettings};
use tollgate::token::{Scope, Secret, Timestamp};

const REALM: &str = "bench";
const ACCOUNTS: u32 = 1000;
const AT_ONCE: u32 = 32;

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let bed = Bed::new()?;
    store(&mut criterion, &bed);
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

/// An open store with accounts in it.
struct Bed {
    runtime: Runtime,
    store: Store,
    _folder: TempDir,
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
            _folder: folder,
        })
    }
}

fn account(number: u32) -> Account {
    Account {
        id: id(number),
        realm: REALM.to_owned(),
        name: name(number),
        key: format!("{number:032x}"),
        password: Secret::new("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"),
        scope: Scope::empty(),
        generation: 0,
        status: Status::Active,
        created_at: Timestamp::from_seconds(1_700_000_000),
        email: None,
        title: None,
        owner: None,
        totp: None,
        must_reset: false,
    }
}

fn id(number: u32) -> AccountId {
    AccountId::from_bytes(u128::from(number).to_be_bytes())
}

fn name(number: u32) -> String {
    format!("user-{number:08}")
}
