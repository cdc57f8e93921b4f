//! A headless Chromium, driven over its own protocol (Chrome `DevTools` Protocol): what a person sees, types and clicks.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// How long anything may take that is expected to happen; only a test that fails spends it.
const DEADLINE: Duration = Duration::from_mins(1);

/// A browser with a profile of its own, one page open. Killed when dropped.
pub(crate) struct Chromium {
    process: Child,
    _profile: TempDir,
    socket: WebSocketStream<TcpStream>,
    session: String,
    serial: u64,
    /// How many documents have been loaded, by the session that loaded them.
    loaded: HashMap<String, u64>,
}

impl Chromium {
    /// Starts one that takes the gateway at `port` for `gw.test`, and believes the certificate with this hash of its key.
    pub(crate) async fn start(port: u16, key_hash: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut process = Command::new(installed())
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!(
                "--host-resolver-rules=MAP gw.test:443 127.0.0.1:{port}"
            ))
            .arg(format!("--ignore-certificate-errors-spki-list={key_hash}"))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let url = listening(&mut process);
        let (_, authority) = url.split_once("//").unwrap();
        let (authority, _) = authority.split_once('/').unwrap();
        let stream = TcpStream::connect(authority).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(&*url, stream)
            .await
            .unwrap();
        let mut browser = Self {
            process,
            _profile: profile,
            socket,
            session: String::new(),
            serial: 0,
            loaded: HashMap::new(),
        };
        browser.open().await;
        browser
    }

    /// Opens another page, and goes on with that one.
    pub(crate) async fn open(&mut self) {
        self.session.clear();
        let page = self
            .call("Target.createTarget", json!({ "url": "about:blank" }))
            .await;
        let attach = json!({ "targetId": page["targetId"], "flatten": true });
        let attached = self.call("Target.attachToTarget", attach).await;
        attached["sessionId"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.session);
        self.call("Page.enable", json!({})).await;
        self.call("Runtime.enable", json!({})).await;
    }

    /// Goes to an address, and waits until the page is there.
    pub(crate) async fn goes(&mut self, url: &str) {
        let before = self.loads();
        let said = self.call("Page.navigate", json!({ "url": url })).await;
        assert_eq!(said.get("errorText"), None, "{url}: {said}");
        self.loads_after(before).await;
    }

    /// Does something that leads to another page, and waits until that is there.
    pub(crate) async fn follows<T>(&mut self, act: impl AsyncFnOnce(&mut Self) -> T) -> T {
        let before = self.loads();
        let done = act(self).await;
        self.loads_after(before).await;
        done
    }

    /// Goes back by one page, as the button of the browser does.
    pub(crate) async fn goes_back(&mut self) {
        let history = self.call("Page.getNavigationHistory", json!({})).await;
        let index = usize::try_from(history["currentIndex"].as_u64().unwrap()).unwrap();
        let entry = &history["entries"][index - 1]["id"];
        let to = json!({ "entryId": entry });
        let before = self.url().await;
        self.call("Page.navigateToHistoryEntry", to).await;
        // A page kept whole is shown without being loaded.
        self.until("the page before", async |page| {
            page.url().await != before || page.is_fresh().await
        })
        .await;
    }

    async fn is_fresh(&mut self) -> bool {
        self.sees("document.readyState === 'complete'").await
    }

    /// Where the browser is.
    pub(crate) async fn url(&mut self) -> String {
        self.value("location.href")
            .await
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The text of the page, as it is seen.
    pub(crate) async fn text(&mut self) -> String {
        let text = self
            .value("document.body ? document.body.innerText : ''")
            .await;
        text.as_str().unwrap().to_owned()
    }

    /// What an expression is worth on the page.
    pub(crate) async fn value(&mut self, expression: &str) -> Value {
        let ask = json!({ "expression": expression, "returnByValue": true });
        let said = self.call("Runtime.evaluate", ask).await;
        assert_eq!(said.get("exceptionDetails"), None, "{expression}: {said}");
        said["result"]["value"].clone()
    }

    /// Whether an expression is true on the page.
    pub(crate) async fn sees(&mut self, expression: &str) -> bool {
        self.value(expression).await == json!(true)
    }

    /// Waits until this element has the focus. The browser moves it into a page only once that is drawn.
    pub(crate) async fn focuses(&mut self, selector: &str) {
        let there = format!("document.activeElement.matches({selector:?})");
        self.until(selector, async |page| page.sees(&there).await)
            .await;
    }

    /// Types text where the cursor is.
    pub(crate) async fn types(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// Presses a key, such as `Tab` or `Enter`.
    pub(crate) async fn presses(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            " " => (32, " "),
            other => panic!("no key {other}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({
                "type": kind, "key": key, "code": if key == " " { "Space" } else { key },
                "windowsVirtualKeyCode": code,
            });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Clicks the middle of the first element that fits a selector, so many times in one go.
    pub(crate) async fn clicks(&mut self, selector: &str, times: u32) {
        let place = format!(
            "(() => {{ const e = document.querySelector({selector:?}); e.scrollIntoView(); \
             const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2] }})()"
        );
        let place = self.value(&place).await;
        for count in 1..=times {
            for kind in ["mousePressed", "mouseReleased"] {
                let event = json!({
                    "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": count,
                });
                let serial = self.say("Input.dispatchMouseEvent", &event).await;
                if count == times && kind == "mouseReleased" {
                    self.hear(serial).await;
                }
            }
        }
    }

    /// Whether the pages may run scripts.
    pub(crate) async fn runs_scripts(&mut self, runs: bool) {
        let set = json!({ "value": !runs });
        self.call("Emulation.setScriptExecutionDisabled", set).await;
    }

    /// Prefers light or dark pages.
    pub(crate) async fn prefers(&mut self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )
        .await;
    }

    /// Has a window of this size.
    pub(crate) async fn is_sized(&mut self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 2, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Takes a picture of the page, into the folder for what tests leave.
    pub(crate) async fn is_pictured(&mut self, name: &str) -> PathBuf {
        let picture = self
            .call("Page.captureScreenshot", json!({ "format": "png" }))
            .await;
        let bytes = STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}.png"));
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Everything a reader of the screen is told, one line for each element that says something: role, name.
    pub(crate) async fn is_read_aloud(&mut self) -> Vec<String> {
        let tree = self.call("Accessibility.getFullAXTree", json!({})).await;
        let nodes = tree["nodes"].as_array().unwrap().iter();
        let said = nodes.filter(|node| node["ignored"] != json!(true));
        said.map(|node| {
            let text = |part: &str| node[part]["value"].as_str().unwrap_or_default().to_owned();
            format!("{} {}", text("role"), text("name"))
        })
        .collect()
    }

    /// Waits until something is so.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        mut is_so: impl AsyncFnMut(&mut Self) -> bool,
    ) {
        let start = Instant::now();
        while !is_so(self).await {
            assert!(start.elapsed() < DEADLINE, "waited in vain for {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn loads(&self) -> u64 {
        self.loaded.get(&self.session).copied().unwrap_or_default()
    }

    async fn loads_after(&mut self, before: u64) {
        let waiting = async {
            while self.loads() == before {
                self.listen().await;
            }
        };
        let in_time = tokio::time::timeout(DEADLINE, waiting).await;
        in_time.expect("a page that loads");
    }

    async fn call(&mut self, method: &str, parameters: Value) -> Value {
        let serial = self.say(method, &parameters).await;
        let said = self.hear(serial).await;
        assert_eq!(said.get("error"), None, "{method}: {said}");
        said["result"].clone()
    }

    async fn say(&mut self, method: &str, parameters: &Value) -> u64 {
        self.serial += 1;
        let mut call = json!({ "id": self.serial, "method": method, "params": parameters });
        if !self.session.is_empty() {
            call["sessionId"] = json!(self.session);
        }
        let message = Message::text(call.to_string());
        self.socket.send(message).await.unwrap();
        self.serial
    }

    async fn hear(&mut self, serial: u64) -> Value {
        let hearing = async {
            loop {
                let said = self.listen().await;
                if said["id"] == json!(serial) {
                    return said;
                }
            }
        };
        let in_time = tokio::time::timeout(DEADLINE, hearing).await;
        in_time.expect("a word from Chromium")
    }

    async fn listen(&mut self) -> Value {
        loop {
            let message = self
                .socket
                .next()
                .await
                .expect("Chromium is there")
                .unwrap();
            let Message::Text(text) = message else {
                continue;
            };
            let said: Value = serde_json::from_str(&text).unwrap();
            if said["method"] == "Page.loadEventFired" {
                let session = said["sessionId"].as_str().unwrap_or_default().to_owned();
                *self.loaded.entry(session).or_default() += 1;
            }
            return said;
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address at which it listens for us, which it says when it is up.
fn listening(process: &mut Child) -> String {
    let mut said = Vec::new();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    for line in lines.by_ref().map_while(Result::ok) {
        if let Some(url) = line.strip_prefix("DevTools listening on ") {
            let url = url.to_owned();
            // Whoever stops reading stops the writer.
            std::thread::spawn(move || lines.for_each(drop));
            return url;
        }
        said.push(line);
    }
    panic!("Chromium did not come up: {said:#?}");
}

/// Where Chromium is; installs it if it is not there.
fn installed() -> PathBuf {
    let lock = std::env::temp_dir().join("tollgate-chromium.lock");
    let lock = File::create(lock).unwrap();
    lock.lock().unwrap();
    let find = || {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<_> = std::env::split_paths(&path).collect();
        let mut places = folders
            .iter()
            .flat_map(|folder| names.map(|name| folder.join(name)));
        places.find(|place| place.is_file())
    };
    find().unwrap_or_else(|| {
        for words in [
            &["update", "-qq"][..],
            &[
                "install",
                "-y",
                "-qq",
                "--no-install-recommends",
                "chromium",
                "fonts-liberation",
            ][..],
        ] {
            let run = Command::new("apt-get")
                .args(words)
                .env("DEBIAN_FRONTEND", "noninteractive")
                .stdout(Stdio::null())
                .status();
            assert!(
                run.is_ok_and(|status| status.success()),
                "apt-get {words:?}"
            );
        }
        find().expect("Chromium, just installed")
    })
}
