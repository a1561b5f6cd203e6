//! What the browsers have not in common.

use std::{fmt, path::Path};

use serde_json::{Value, json};

use super::Settings;

/// No sandbox, since tests may run as root; no look at anything beyond loopback.
const CHROMIUM_FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,1000",
];

/// Which browser.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Engine {
    /// Debian's `chromium`, by `chromedriver`.
    #[default]
    Chromium,
    /// Debian's `firefox-esr`, by `geckodriver`, which `./ci.sh` builds.
    Firefox,
}

impl Engine {
    /// Whether a tab can be frozen by command.
    pub fn can_freeze(self) -> bool {
        self == Self::Chromium
    }

    pub(super) fn capabilities(self, settings: Settings, profile: &Path) -> Value {
        match self {
            Self::Chromium => {
                let mut flags: Vec<_> = CHROMIUM_FLAGS.map(str::to_owned).into();
                flags.push(format!("--user-data-dir={}", profile.display()));
                json!({
                    "browserName": "chrome",
                    "acceptInsecureCerts": settings.any_certificate,
                    "goog:chromeOptions": {
                        "args": flags,
                        "prefs": {
                            "profile.cookie_controls_mode": u8::from(settings.no_third_party_cookies),
                            "profile.block_third_party_cookies": settings.no_third_party_cookies,
                        },
                    },
                })
            }
            Self::Firefox => {
                // As it comes, Firefox gives each site that embeds another a jar of its own (5). 0: other sites' cookies are
                // sent as anybody's. With the opt-in, a jar of its own has only what asks for it, and no other is sent.
                let cookies = if settings.no_third_party_cookies { 5 } else { 0 };
                json!({
                    "browserName": "firefox",
                    "acceptInsecureCerts": settings.any_certificate,
                    "moz:firefoxOptions": {
                        "binary": "/usr/bin/firefox-esr",
                        "args": ["-headless", "-profile", profile],
                        "prefs": {
                            "network.cookie.cookieBehavior": cookies,
                            "network.cookie.cookieBehavior.optInPartitioning": true,
                            "network.captive-portal-service.enabled": false,
                            "network.connectivity-service.enabled": false,
                            "browser.sessionhistory.max_total_viewers": 8,
                        },
                    },
                })
            }
        }
    }

    /// Whether a driver's message says that there is no such browser.
    pub(super) fn is_missing(self, message: &str) -> bool {
        message.contains(match self {
            Self::Chromium => "cannot find Chrome binary",
            Self::Firefox => "binary is not a Firefox executable",
        })
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chromium => "Chromium",
            Self::Firefox => "Firefox",
        })
    }
}
