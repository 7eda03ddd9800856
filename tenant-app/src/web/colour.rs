//! The tenant's colour, and what can be read on it.

use std::fmt;
use std::str::FromStr;

/// An sRGB colour. Parsed from `#rrggbb`, so that nothing else can reach a style sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    red: u8,
    green: u8,
    blue: u8,
}

/// The text was not `#rrggbb`.
#[derive(Debug, thiserror::Error)]
#[error("not a colour of the form #rrggbb")]
pub struct NotAColour;

impl Colour {
    const WHITE: Self = Self { red: 255, green: 255, blue: 255 };
    const INK: Self = Self { red: 0x16, green: 0x1a, blue: 0x1d };

    /// White or ink, whichever is easier to read on this colour.
    #[must_use]
    pub fn text(self) -> Self {
        if self.contrast(Self::WHITE) >= self.contrast(Self::INK) { Self::WHITE } else { Self::INK }
    }

    /// Contrast ratio as WCAG 2 defines it, from 1 to 21.
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn luminance(self) -> f64 {
        let channel = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(self.red) + 0.7152 * channel(self.green) + 0.0722 * channel(self.blue)
    }
}

impl Default for Colour {
    fn default() -> Self {
        Self { red: 0x2f, green: 0x5d, blue: 0x50 }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

impl FromStr for Colour {
    type Err = NotAColour;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('#').filter(|d| d.len() == 6).ok_or(NotAColour)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NotAColour);
        }
        let value = u32::from_str_radix(digits, 16).map_err(|_| NotAColour)?;
        let [_, red, green, blue] = value.to_be_bytes();
        Ok(Self { red, green, blue })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_one_form_is_a_colour() {
        assert_eq!("#2F6f4e".parse::<Colour>().unwrap().to_string(), "#2f6f4e");
        for text in ["", "#", "2f6f4e", "#2f6f4", "#2f6f4e0", "#+f6f4e", "red", "#2f6f4e;", "#ééé"] {
            assert!(text.parse::<Colour>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_on_any_colour_can_be_read(red: u8, green: u8, blue: u8) {
            let colour = Colour { red, green, blue };
            prop_assert!(colour.contrast(colour.text()) >= 4.0);
        }
    }
}
