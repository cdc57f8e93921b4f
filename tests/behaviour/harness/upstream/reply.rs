//! What a scripted server says: a short list of steps, so that any misbehaviour can be written down.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

/// A reply, step by step.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    steps: Vec<Step>,
    early: bool,
}

/// Something a reply waits at until the test opens it.
#[derive(Clone, Debug)]
pub(crate) struct Valve(Arc<watch::Sender<bool>>);

#[derive(Clone, Debug)]
pub(super) enum Step {
    Bytes(Vec<u8>),
    Drip(Vec<u8>, Duration),
    Wait(Valve),
    /// Reads on and says nothing until the client leaves.
    Silence,
    Close,
    Reset,
    /// Sends back all that comes, until the end.
    Tunnel,
}

impl Reply {
    /// `200` with the body `ok`.
    pub(crate) fn ok() -> Self {
        Self::text(200, "text/plain", "ok")
    }

    /// Exactly these bytes.
    pub(crate) fn raw(bytes: impl AsRef<[u8]>) -> Self {
        Self {
            steps: vec![Step::Bytes(bytes.as_ref().to_vec())],
            early: false,
        }
    }

    /// A status, a content type and a body with its length.
    pub(crate) fn text(status: u16, kind: &str, body: &str) -> Self {
        let length = body.len();
        let reason = if status == 200 { "OK" } else { "Other" };
        Self::raw(format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }

    /// A status and a JSON body.
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::text(status, "application/json", &body.to_string())
    }

    /// A redirect.
    pub(crate) fn redirect(status: u16, location: &str) -> Self {
        Self::raw(format!(
            "HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        ))
    }

    /// `200` with these chunks and then these trailers.
    pub(crate) fn chunked(chunks: &[&str], trailers: &[(&str, &str)]) -> Self {
        let mut reply =
            Self::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-check\r\n\r\n");
        for chunk in chunks {
            reply = reply.chunk(chunk);
        }
        reply = reply.and("0\r\n");
        for (name, value) in trailers {
            reply = reply.and(format!("{name}: {value}\r\n"));
        }
        reply.and("\r\n")
    }

    /// `200` and a chunked body that the following steps fill.
    pub(crate) fn stream(kind: &str) -> Self {
        Self::raw(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
        ))
    }

    /// `200`, a body of this length, half of which arrives before the connection ends.
    pub(crate) fn cut_in_half(body: &str) -> Self {
        let half = &body[..body.len() / 2];
        Self::raw(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{half}",
            body.len()
        ))
        .then_close()
    }

    /// `101`, and from then on everything comes back as it was sent.
    pub(crate) fn switch(protocol: &str) -> Self {
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
        );
        Self::raw(head).then(Step::Tunnel)
    }

    /// No word, and the connection closed.
    pub(crate) fn close() -> Self {
        Self {
            steps: vec![Step::Close],
            early: false,
        }
    }

    /// No word, and the connection reset.
    pub(crate) fn reset() -> Self {
        Self {
            steps: vec![Step::Reset],
            early: false,
        }
    }

    /// No word, for as long as the client waits.
    pub(crate) fn silence() -> Self {
        Self {
            steps: vec![Step::Silence],
            early: false,
        }
    }

    /// These bytes, one at a time.
    pub(crate) fn drip(bytes: impl AsRef<[u8]>, pause: Duration) -> Self {
        Self {
            steps: vec![Step::Drip(bytes.as_ref().to_vec(), pause)],
            early: false,
        }
    }

    /// The same, said only once the valve is open.
    pub(crate) fn behind(mut self, valve: &Valve) -> Self {
        self.steps.insert(0, Step::Wait(valve.clone()));
        self
    }

    /// The same, said as soon as the head is in; the body is read afterwards.
    pub(crate) fn early(mut self) -> Self {
        self.early = true;
        self
    }

    /// More bytes after the rest.
    pub(crate) fn and(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then(Step::Bytes(bytes.as_ref().to_vec()))
    }

    /// One chunk after the rest.
    pub(crate) fn chunk(self, text: &str) -> Self {
        self.and(format!("{:x}\r\n{text}\r\n", text.len()))
    }

    /// A pause after the rest, until the valve is open.
    pub(crate) fn wait(self, valve: &Valve) -> Self {
        self.then(Step::Wait(valve.clone()))
    }

    /// A clean end of the connection after the rest.
    pub(crate) fn then_close(self) -> Self {
        self.then(Step::Close)
    }

    /// A reset of the connection after the rest.
    pub(crate) fn then_reset(self) -> Self {
        self.then(Step::Reset)
    }

    /// Silence after the rest.
    pub(crate) fn then_silence(self) -> Self {
        self.then(Step::Silence)
    }

    pub(super) fn is_early(&self) -> bool {
        self.early
    }

    pub(super) fn steps(self) -> Vec<Step> {
        self.steps
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl Valve {
    /// A closed valve.
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everything through, now and later.
    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn passed(&self) {
        let mut state = self.0.subscribe();
        let _ = state.wait_for(|open| *open).await;
    }
}
