//! QR codes, as pictures that stand in a page itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

/// Pixels of one side at least; the picture has no edges of its own that would blur when it is drawn larger.
const SIDE: u32 = 232;

/// A QR code of this text as the address of a picture: black on white, with the quiet zone that scanners ask for. None
/// for a text that is too long to be one.
#[must_use]
pub fn picture(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let drawn = code.render::<svg::Color<'_>>().min_dimensions(SIDE, SIDE).build();
    Some(format!("data:image/svg+xml;base64,{}", STANDARD.encode(drawn)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_picture_of_its_own_and_never_cut_short() {
        let text = "otpauth://totp/freehold.localhost:ada@example.com?secret=ABC&issuer=freehold.localhost";
        let address = picture(text).expect("a picture");
        let (head, data) = address.split_once(',').expect("data");
        assert_eq!(head, "data:image/svg+xml;base64");
        let svg = String::from_utf8(STANDARD.decode(data).expect("base64")).expect("text");
        assert!(svg.contains("<svg") && svg.contains("#fff") && !svg.contains("script"), "{svg}");
        assert_ne!(picture(text), picture("another"));
        assert_eq!(picture(&"x".repeat(3_000)), None);
    }
}
