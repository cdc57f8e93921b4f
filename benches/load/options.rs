//! The words after `--`.

use std::error::Error;
use std::time::Duration;

/// How hard and how long to press.
pub(crate) struct Options {
    /// Arrivals per second of the mix.
    pub(crate) rate: u32,
    /// How long the mix runs; the second measurement takes as long again.
    pub(crate) duration: Duration,
    /// Keep-alive connections.
    pub(crate) connections: usize,
    /// Whether to count system calls, and nothing else.
    pub(crate) calls: bool,
}

impl Options {
    /// Reads the words; what cargo itself adds (`--bench`) is passed over.
    pub(crate) fn from_args(
        mut args: impl Iterator<Item = String>,
    ) -> Result<Self, Box<dyn Error>> {
        let mut options = Self {
            rate: 3000,
            duration: Duration::from_secs(10),
            connections: 32,
            calls: false,
        };
        while let Some(word) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--rate" => options.rate = value()?.parse()?,
                "--secs" => options.duration = Duration::from_secs(value()?.parse()?),
                "--connections" => options.connections = value()?.parse()?,
                "--calls" => options.calls = true,
                "--bench" => {}
                other => {
                    return Err(format!(
                        "unknown word {other}: --rate N, --secs S, --connections C and --calls are known"
                    )
                    .into());
                }
            }
        }
        options.checked()
    }

    /// Requests of the whole mix.
    pub(crate) fn requests(&self) -> usize {
        usize::try_from(u64::from(self.rate) * self.duration.as_secs()).unwrap_or(usize::MAX)
    }

    /// The length of one of `count` slices that together take as long as the mix.
    pub(crate) fn slice(&self, count: usize) -> Duration {
        self.duration / u32::try_from(count).unwrap_or(u32::MAX)
    }

    fn checked(self) -> Result<Self, Box<dyn Error>> {
        if self.rate == 0 || self.connections == 0 || self.duration.is_zero() {
            return Err("--rate, --secs and --connections must be more than 0".into());
        }
        Ok(self)
    }
}
