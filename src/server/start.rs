//! From a checked configuration to open sockets, and back.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::chores::{
    Chores, Follower, acquaint, carry, keep_sightings, refresh_keys, sweep, tend_keys, tidy,
};
use super::state::State;
use super::{Kept, StartError, assemble};
use crate::admin;
use crate::config::{Config, ShutdownSettings};
use crate::gate::Caller;
use crate::listen::{Drained, Listening, TimeoutSettings, bind};
use crate::net::{Peer, Proxies, Tasks};
use crate::observe::Observer;
use crate::settings::Lifetime;
use crate::token::TimeSource;

/// The server, not yet started.
#[derive(Debug)]
pub struct Server;

/// The server, up. Dropping it cuts every connection; [`Running::stop`] waits for them.
#[derive(Debug)]
pub struct Running {
    listening: Listening,
    admin: Listening,
    observer: Arc<Observer>,
    kept: Kept,
    tasks: Tasks,
    shutdown: ShutdownSettings,
    state: State,
    chores: Chores,
}

impl Server {
    /// Binds every listener, opens what is kept, assembles the gate, and only then begins to accept.
    pub async fn start(config: &Config, time: TimeSource) -> Result<Running, StartError> {
        let now = time.now();
        let workers = config.workers();
        let bound = bind(&config.listener, config.data_dir(), now)?;
        let admin = admin::bind(&config.admin)?;
        let kept = Box::pin(Kept::open(config, &time)).await?;
        kept.keep_lifetimes().await?;
        let (chores, tasks) = (
            Chores::start().map_err(StartError::System)?,
            Tasks::default(),
        );
        let gate = Arc::new(assemble::gate(
            config,
            &kept,
            &chores,
            &tasks,
            time.clone(),
        )?);
        let (observer, issuers) = (
            Arc::clone(&gate.observer),
            Arc::clone(gate.verifier.issuers()),
        );
        let state = State::new(kept.store.clone(), Arc::clone(&issuers), time.clone());
        chores.spawn(&tasks, refresh_keys(issuers, time.clone(), tasks.clone()));
        let tokens = gate.verifier.cache().clone();
        chores.spawn(&tasks, tidy(tokens, time.clone(), tasks.clone()));
        keep_house(config, &kept, &chores, (&time, &tasks));
        let manners = config.listener.iter().map(|(name, listener)| {
            let proxies = Proxies::new(&listener.trusted_proxies);
            (name.clone(), (listener.timeouts.body_idle, proxies))
        });
        let manners: Arc<BTreeMap<String, (Lifetime, Proxies)>> = Arc::new(manners.collect());
        let listening = Listening::start(bound, workers, move |peer: Arc<Peer>| {
            let (idle, proxies) = manners.get(&*peer.listener).cloned().unwrap_or_else(|| {
                // Every peer names the listener that accepted it.
                (TimeoutSettings::default().body_idle, Proxies::default())
            });
            let caller = Caller::new(peer, idle.duration(), proxies);
            let (gate, caller) = (Arc::clone(&gate), Arc::new(caller));
            move |request| {
                // Boxed once, as what lies between here and the socket would move it several times.
                Box::pin(Arc::clone(&gate).handle(request, Arc::clone(&caller)))
            }
        })?;
        let admin = state.serve(admin, &observer, listening.tallies())?;
        state.is_open();
        let shutdown = config.server.shutdown.clone();
        Ok(Running {
            listening,
            admin,
            observer,
            kept,
            tasks,
            shutdown,
            state,
            chores,
        })
    }
}

/// Starts what is done beside requests for the sake of sessions and of what was taken back.
fn keep_house(config: &Config, kept: &Kept, chores: &Chores, (time, tasks): (&TimeSource, &Tasks)) {
    let (store, mint) = (&kept.store, &kept.mint);
    let follower = Follower {
        store: store.clone(),
        revocations: mint.revocations().clone(),
        time: time.clone(),
        patience: store.is_shared().then(|| config.cluster.deaf.patience()),
    };
    chores.spawn(tasks, follower.follow(tasks.clone()));
    let keys = kept.keys.values().cloned().collect();
    chores.spawn(tasks, tend_keys(keys, time.clone(), tasks.clone()));
    chores.spawn(tasks, acquaint(kept.accounts.clone()));
    let sightings = mint.sightings().clone();
    chores.spawn(
        tasks,
        keep_sightings(sightings, store.clone(), tasks.clone()),
    );
    let clock = (time.clone(), tasks.clone());
    chores.spawn(
        tasks,
        sweep(mint.revocations().clone(), store.clone(), clock),
    );
}

impl Running {
    /// The address of a listener, by its name in the file.
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.listening
            .addresses()
            .find(|(name, _)| *name == listener)
            .map(|(_, address)| address)
    }

    /// The addresses of all listeners, by their names.
    pub fn addresses(&self) -> BTreeMap<String, SocketAddr> {
        self.listening
            .addresses()
            .map(|(name, address)| (name.to_owned(), address))
            .collect()
    }

    /// The address of the admin listener.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.addresses().next().map(|(_, address)| address)
    }

    /// What is kept beside the gate: the store, the mounts, the mint.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Stops: says so to whoever asks, accepts nobody any more, waits for what has begun, closes the store last. What is
    /// left when the grace is over, or when `hurry` ends, is cut.
    pub async fn stop(self, hurry: impl Future<Output = ()>) -> Drained {
        self.state.is_closing();
        let mut hurry = std::pin::pin!(hurry);
        let announce = tokio::time::sleep(self.shutdown.announce.duration());
        let drained = tokio::select! {
            () = &mut hurry => self.listening.drain(Duration::ZERO, std::future::ready(())).await,
            () = announce => self.listening.drain(self.shutdown.grace.duration(), hurry).await,
        };
        self.tasks.drain();
        self.admin
            .drain(Duration::ZERO, std::future::ready(()))
            .await;
        Box::pin(carry(self.kept.mint.sightings(), &self.kept.store)).await;
        self.kept.store.close().await;
        if let Some(journal) = &self.observer.journal {
            journal.close();
        }
        drop(self.chores);
        drained
    }
}
