//! Who asks, and what they may: people who signed in at the platform, and programs with its tokens.
//!
//! * [`person`] is somebody as the platform tells of them, and what follows from that: pure
//! * [`provider`] asks the platform through the [`back_door`], [`id_token`] checks what it says of a sign-in
//! * [`trip`] is what a browser keeps on its way to the platform and back, [`cookies`] how
//! * [`sessions`] are kept in the tenant's database, what is secret of them sealed by [`seal`]
//! * [`recent`] answers again what was just asked, and lets one ask for all who wait
//! * [`guests`] puts it together

pub mod back_door;
pub mod cookies;
pub mod guests;
pub mod id_token;
pub mod person;
pub mod provider;
pub mod recent;
pub mod seal;
pub mod sessions;
pub mod trip;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng;
use sha2::{Digest, Sha256};

/// The most that clocks of the platform and of this machine may differ, in seconds.
pub const LEEWAY: u64 = 60;

/// 256 bits that nobody can guess.
pub(crate) fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// SHA-256 of the parts, one after the other.
pub(crate) fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

pub(crate) fn text_of(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn bytes_of(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
