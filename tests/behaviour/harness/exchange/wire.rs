//! A socket, with or without TLS, over which a test says anything at all.

use std::{io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::either::Either;

use super::Answer;
use crate::harness::soon;

/// One connection; what it sends is what the test wrote.
pub(crate) struct Wire {
    stream: Either<TcpStream, Box<TlsStream<TcpStream>>>,
    /// Bytes received and not yet asked for.
    waiting: Vec<u8>,
    ended: bool,
}

impl Wire {
    /// A plain connection.
    pub(crate) async fn plain(address: SocketAddr) -> Self {
        let stream = soon("a connection", TcpStream::connect(address))
            .await
            .unwrap();
        Self::over(Either::Left(stream))
    }

    /// A TLS connection with this server name.
    ///
    /// # Panics
    /// When the handshake fails; see [`Wire::try_tls`].
    pub(crate) async fn tls(address: SocketAddr, name: &str, config: Arc<ClientConfig>) -> Self {
        Self::try_tls(address, name, config).await.unwrap()
    }

    /// A TLS connection with this server name, or why there is none.
    pub(crate) async fn try_tls(
        address: SocketAddr,
        name: &str,
        config: Arc<ClientConfig>,
    ) -> io::Result<Self> {
        let stream = soon("a connection", TcpStream::connect(address)).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let stream = soon(
            "a handshake",
            Box::pin(TlsConnector::from(config).connect(name, stream)),
        )
        .await?;
        Ok(Self::over(Either::Right(Box::new(stream))))
    }

    fn over(stream: Either<TcpStream, Box<TlsStream<TcpStream>>>) -> Self {
        Self {
            stream,
            waiting: Vec::new(),
            ended: false,
        }
    }

    /// The protocol agreed on by ALPN.
    pub(crate) fn protocol(&self) -> Option<String> {
        match &self.stream {
            Either::Left(_) => None,
            Either::Right(stream) => {
                let name = stream.get_ref().1.alpn_protocol()?;
                Some(String::from_utf8_lossy(name).into_owned())
            }
        }
    }

    /// The certificate the server showed, DER.
    pub(crate) fn certificate(&self) -> Option<Vec<u8>> {
        match &self.stream {
            Either::Left(_) => None,
            Either::Right(stream) => {
                Some(stream.get_ref().1.peer_certificates()?.first()?.to_vec())
            }
        }
    }

    /// This end's address.
    pub(crate) fn local_address(&self) -> SocketAddr {
        match &self.stream {
            Either::Left(stream) => stream.local_addr().unwrap(),
            Either::Right(stream) => stream.get_ref().0.local_addr().unwrap(),
        }
    }

    /// Sends these bytes. A server that has already hung up is no error here: reading will tell.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.try_send(bytes).await;
    }

    /// Sends these bytes, or says why not.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        soon("bytes to be taken", async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        })
        .await
    }

    /// Ends the sending direction.
    pub(crate) async fn finish(&mut self) {
        let _ = soon("the end to be sent", self.stream.shutdown()).await;
    }

    /// Reads one reply, interim ones (1xx, but not 101) skipped; nothing when the connection ended without one.
    pub(crate) async fn reply(&mut self) -> Option<Answer> {
        loop {
            let answer = self.reply_head().await?;
            if answer.status == 101 || answer.status >= 200 {
                return Some(self.with_body(answer).await);
            }
        }
    }

    /// Reads the head of one reply and leaves its body on the wire.
    pub(crate) async fn reply_head(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(end) = find(&self.waiting, b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let head: Vec<u8> = self.waiting.drain(..end).collect();
        Some(understand(&String::from_utf8_lossy(&head)))
    }

    /// Reads until these bytes have come, and gives everything up to and including them.
    ///
    /// # Panics
    /// When the connection ends before.
    pub(crate) async fn until(&mut self, wanted: impl AsRef<[u8]>) -> Vec<u8> {
        loop {
            if let Some(at) = find(&self.waiting, wanted.as_ref()) {
                return self.waiting.drain(..at + wanted.as_ref().len()).collect();
            }
            let wanted = String::from_utf8_lossy(wanted.as_ref()).into_owned();
            assert!(
                self.more().await.is_some(),
                "the connection ended before {wanted:?}"
            );
        }
    }

    /// Reads this many bytes; nothing when the connection ends before.
    pub(crate) async fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.waiting.len() < count {
            self.more().await?;
        }
        Some(self.waiting.drain(..count).collect())
    }

    /// Reads until the other side ends the connection, and gives all that came.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.more().await.is_some() {}
        std::mem::take(&mut self.waiting)
    }

    /// Waits for the other side to end the connection, without another byte.
    pub(crate) async fn closes_silently(&mut self) {
        let rest = self.rest().await;
        assert!(
            rest.is_empty(),
            "bytes after the end: {:?}",
            String::from_utf8_lossy(&rest)
        );
    }

    /// Reads until the other side ends the connection, and gives the replies that came.
    pub(crate) async fn replies(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        while let Some(answer) = self.reply().await {
            answers.push(answer);
        }
        answers
    }

    async fn with_body(&mut self, mut answer: Answer) -> Answer {
        let bodiless = matches!(answer.status, 101 | 204 | 304);
        let length = answer
            .header("content-length")
            .map(|length| length.parse::<usize>().unwrap());
        if bodiless {
            return answer;
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.complete = self.chunks(&mut answer).await.is_some();
            return answer;
        }
        while length.is_none_or(|length| self.waiting.len() < length) && self.more().await.is_some()
        {
        }
        let available = self.waiting.len().min(length.unwrap_or(usize::MAX));
        answer.body = self.waiting.drain(..available).collect();
        answer.complete = length.is_none_or(|length| length == available);
        answer
    }

    async fn chunks(&mut self, answer: &mut Answer) -> Option<()> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
            if size == 0 {
                break;
            }
            while self.waiting.len() < size + 2 {
                self.more().await?;
            }
            body.extend(self.waiting.drain(..size));
            self.waiting.drain(..2);
            answer.body = Bytes::from(body.clone());
        }
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(':') else {
                return Some(());
            };
            insert(&mut answer.trailers, name, value);
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = find(&self.waiting, b"\r\n") {
                let line: Vec<u8> = self.waiting.drain(..end + 2).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.more().await?;
        }
    }

    /// Takes more bytes from the wire; nothing at its end, however it came about.
    async fn more(&mut self) -> Option<()> {
        if self.ended {
            return None;
        }
        let mut buffer = vec![0; 16 * 1024];
        match soon("bytes or an end", self.stream.read(&mut buffer)).await {
            Ok(0) | Err(_) => {
                self.ended = true;
                None
            }
            Ok(count) => {
                self.waiting.extend_from_slice(&buffer[..count]);
                Some(())
            }
        }
    }
}

fn understand(head: &str) -> Answer {
    let mut lines = head.trim_end().split("\r\n");
    let status_line = lines.next().unwrap();
    let status = status_line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line
            .split_once(':')
            .unwrap_or_else(|| panic!("odd header line {line:?}"));
        insert(&mut headers, name, value);
    }
    Answer {
        status: status.unwrap_or_else(|| panic!("odd status line {status_line:?}")),
        headers,
        body: Bytes::new(),
        trailers: HeaderMap::new(),
        complete: true,
    }
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) {
    headers.append(
        HeaderName::from_bytes(name.as_bytes()).unwrap(),
        HeaderValue::from_str(value.trim()).unwrap(),
    );
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
