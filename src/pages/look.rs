//! How the pages of one house look: title, logo, colours, and the style sheet with its hash.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Colour, PagesSettings};

/// How the pages look.
#[derive(Clone, Debug)]
pub struct Look {
    pub(super) title: String,
    /// The logo itself, as a `data:` URL.
    pub(super) logo: Option<String>,
    pub(super) style: String,
    /// What the policy calls the style sheet (CSP 3 §2.3.1).
    pub(super) style_hash: String,
    scopes: BTreeMap<String, String>,
}

/// Why there is no such logo.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// It cannot be read.
    #[error("read the logo {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is not one of the pictures that every browser shows.
    #[error("show the logo {0}: its name ends in none of .svg, .png, .jpg, .jpeg, .webp")]
    NotAPicture(PathBuf),
    /// It would make every page as large.
    #[error("show the logo {0}: it is larger than 256 KiB")]
    TooLarge(PathBuf),
}

impl Look {
    /// The look that these settings ask for. Reads the logo.
    pub fn new(settings: &PagesSettings) -> Result<Self, LookError> {
        let logo = settings.logo.as_ref();
        let logo = logo.map(|path| picture(path.as_path())).transpose()?;
        let style = style(settings.accent);
        let hash = STANDARD.encode(digest::digest(&digest::SHA256, style.as_bytes()));
        Ok(Self {
            title: settings.title.clone(),
            logo,
            style_hash: format!("'sha256-{hash}'"),
            style,
            scopes: settings.scopes.clone(),
        })
    }

    /// What a scope means, for people.
    pub(super) fn meaning<'a>(&'a self, scope: &'a str) -> &'a str {
        self.scopes.get(scope).map_or(scope, String::as_str)
    }
}

/// The style sheet: the colours first, which depend on the accent, then everything that does not.
fn style(accent: Colour) -> String {
    let light = accent.readable_on(Colour::WHITE, Colour::BLACK);
    let dark = accent.readable_on(DARK_GROUND, Colour::WHITE);
    format!(
        ":root{{--accent:{light};--on-accent:{}}}\
         @media(prefers-color-scheme:dark){{:root{{--accent:{dark};--on-accent:{DARK_GROUND}}}}}\n{}",
        Colour::WHITE,
        include_str!("style.css")
    )
}

fn picture(path: &Path) -> Result<String, LookError> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let kind = match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("svg") => "svg+xml",
        Some("png") => "png",
        Some("jpg" | "jpeg") => "jpeg",
        Some("webp") => "webp",
        _ => return Err(LookError::NotAPicture(path.to_owned())),
    };
    let bytes = std::fs::read(path).map_err(|source| LookError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    if bytes.len() > LARGEST {
        return Err(LookError::TooLarge(path.to_owned()));
    }
    Ok(format!(
        "data:image/{kind};base64,{}",
        STANDARD.encode(bytes)
    ))
}

/// The lightest ground that text stands on in the dark: the style sheet's `--card`.
const DARK_GROUND: Colour = Colour::new(0x1b, 0x1e, 0x24);
/// In bytes.
const LARGEST: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::FilePath;

    #[test]
    fn a_logo_becomes_part_of_the_page_and_must_be_a_small_picture() {
        let folder = tempfile::tempdir().unwrap();
        let look = |name: &str, size: usize| {
            let path = folder.path().join(name);
            std::fs::write(&path, vec![b'x'; size]).unwrap();
            Look::new(&PagesSettings {
                logo: Some(FilePath::from(path)),
                ..PagesSettings::default()
            })
        };
        let logo = look("logo.SVG", 3).unwrap().logo;
        assert_eq!(logo.as_deref(), Some("data:image/svg+xml;base64,eHh4"));
        assert!(matches!(
            look("logo.gif", 3),
            Err(LookError::NotAPicture(_))
        ));
        assert!(matches!(
            look("logo.png", LARGEST + 1),
            Err(LookError::TooLarge(_))
        ));
        let missing = PagesSettings {
            logo: Some(FilePath::from(folder.path().join("none.png"))),
            ..PagesSettings::default()
        };
        assert!(matches!(
            Look::new(&missing),
            Err(LookError::Unreadable { .. })
        ));
    }

    #[test]
    fn the_dark_ground_is_that_of_the_style_sheet() {
        let style = Look::new(&PagesSettings::default()).unwrap().style;
        assert!(style.contains(&format!("--card:{DARK_GROUND}")));
        assert!(!style.contains("</"), "it stands in a style element");
    }
}
