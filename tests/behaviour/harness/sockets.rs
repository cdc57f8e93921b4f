//! Ends of a WebSocket: [`Talk`] is a client, [`Echo`] an upstream that says everything back.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use futures_util::{SinkExt, StreamExt};
use http::HeaderMap;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async, client_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        handshake::server::{Request, Response},
        protocol::CloseFrame,
    },
};

use super::{Task, authority::authority, outside, soon, tollgate::Tollgate};

/// A client's end of a WebSocket.
pub(crate) struct Talk {
    stream: WebSocketStream<TlsStream<TcpStream>>,
}

impl Talk {
    /// Asks for a WebSocket on the listener `public`, with these fields.
    ///
    /// # Panics
    /// When it is refused; see [`Talk::try_open`].
    pub(crate) async fn open(
        gateway: &Tollgate,
        host: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Self {
        let talk = Self::try_open(gateway, host, path, fields).await;
        talk.unwrap_or_else(|status| panic!("{status} instead of a WebSocket"))
    }

    /// Asks for a WebSocket, or gives the status that came instead.
    pub(crate) async fn try_open(
        gateway: &Tollgate,
        host: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Self, u16> {
        let stream = TcpStream::connect(gateway.address("public")).await.unwrap();
        let tls = TlsConnector::from(authority().client(&["http/1.1"]));
        let stream = tls
            .connect(host.to_owned().try_into().unwrap(), stream)
            .await
            .unwrap();
        let mut request = format!("wss://{host}{path}").into_client_request().unwrap();
        for (name, value) in fields {
            let name = http::HeaderName::try_from(*name).unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        match soon("a handshake", Box::pin(client_async(request, stream))).await {
            Ok((stream, _)) => Ok(Self { stream }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Says a text.
    pub(crate) async fn say(&mut self, text: impl Into<String>) {
        self.send(Message::text(text.into())).await;
    }

    /// Says JSON.
    pub(crate) async fn tell(&mut self, value: &Value) {
        self.say(value.to_string()).await;
    }

    /// Sends any message. Whether it arrived is for reading to tell.
    pub(crate) async fn send(&mut self, message: Message) {
        let _ = soon("a message to be taken", self.stream.send(message)).await;
    }

    /// The next text.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) async fn hear(&mut self) -> String {
        soon("a message", self.next_text()).await.unwrap()
    }

    /// The next text, as JSON.
    pub(crate) async fn learn(&mut self) -> Value {
        serde_json::from_str(&self.hear().await).unwrap()
    }

    /// The next text, whenever it comes; nothing at the end.
    pub(crate) async fn next_text(&mut self) -> Option<String> {
        loop {
            match self.stream.next().await? {
                Ok(Message::Text(text)) => return Some(text.to_string()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Waits for the other side to close, and gives what it said at that.
    pub(crate) async fn closed(&mut self) -> Option<CloseFrame> {
        let end = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Close(frame))) => return frame,
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        };
        soon("the end of the WebSocket", end).await
    }
}

/// An upstream that says everything back.
pub(crate) struct Echo {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, HeaderMap)>>>,
    _task: Task,
}

impl Echo {
    /// Starts on a port of its own.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::default();
        let task = outside(accept(listener, Arc::clone(&asked)));
        Self {
            address,
            asked,
            _task: task,
        }
    }

    /// Its URL without a path.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Target and fields of every handshake so far.
    pub(crate) fn asked(&self) -> Vec<(String, HeaderMap)> {
        self.asked.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, asked: Arc<Mutex<Vec<(String, HeaderMap)>>>) {
    let mut tasks = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        tasks.push(outside(echo(stream, Arc::clone(&asked))));
    }
}

async fn echo(stream: TcpStream, asked: Arc<Mutex<Vec<(String, HeaderMap)>>>) {
    #[expect(clippy::result_large_err, reason = "the shape the library asks for")]
    let note = |request: &Request, response: Response| {
        let seen = (request.uri().to_string(), request.headers().clone());
        asked.lock().unwrap().push(seen);
        Ok(response)
    };
    let Ok(mut stream) = accept_hdr_async(stream, note).await else {
        return;
    };
    while let Some(Ok(message)) = stream.next().await {
        if (message.is_text() || message.is_binary()) && stream.send(message).await.is_err() {
            return;
        }
    }
}
