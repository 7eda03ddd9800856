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

/// The contrast that WCAG 2 asks of what is no text (1.4.11).
const SEEN: f64 = 3.0;
/// In how many steps a colour is brought nearer to black or white until it can be seen.
const STEPS: u8 = 32;

impl Colour {
    const WHITE: Self = Self::new(255, 255, 255);
    const BLACK: Self = Self::new(0, 0, 0);

    #[must_use]
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    /// White or black, whichever is easier to read on this colour. One of them always has the contrast that
    /// WCAG 2 asks of text, 4.5 (1.4.3).
    #[must_use]
    pub fn text(self) -> Self {
        if self.contrast(Self::WHITE) >= self.contrast(Self::BLACK) { Self::WHITE } else { Self::BLACK }
    }

    /// The nearest to this colour on the way to black or white that can be seen on the ground.
    #[must_use]
    pub fn seen_on(self, ground: Self) -> Self {
        let far = ground.text();
        let mut nearer = (0..=STEPS).map(|step| self.towards(far, step));
        nearer.find(|colour| colour.contrast(ground) >= SEEN).unwrap_or(far)
    }

    fn towards(self, other: Self, step: u8) -> Self {
        let mix = |from: u8, to: u8| {
            let (steps, step) = (u32::from(STEPS), u32::from(step));
            let mixed = (u32::from(from) * (steps - step) + u32::from(to) * step) / steps;
            u8::try_from(mixed).unwrap_or(to)
        };
        Self::new(mix(self.red, other.red), mix(self.green, other.green), mix(self.blue, other.blue))
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
        Self::new(0x2f, 0x5d, 0x50)
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
        Ok(Self::new(red, green, blue))
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
            let colour = Colour::new(red, green, blue);
            prop_assert!(colour.contrast(colour.text()) >= 4.5);
        }

        #[test]
        fn any_colour_can_be_seen_on_any_ground(colour: (u8, u8, u8), ground: (u8, u8, u8)) {
            let of = |(red, green, blue)| Colour::new(red, green, blue);
            let (colour, ground) = (of(colour), of(ground));
            let seen = colour.seen_on(ground);
            prop_assert!(seen.contrast(ground) >= SEEN);
            prop_assert!(colour.contrast(ground) < SEEN || seen == colour, "what is seen stays as it is");
        }
    }
}
