//! A tenant's colour, and what of it can be read on which ground.

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a colour of the form #rrggbb")]
pub struct NotAColour;

/// The contrast that WCAG 2 asks of text (1.4.3, level AA).
const TEXT: f64 = 4.5;
/// In how many steps a colour is brought nearer to black or white until it can be read.
const STEPS: u8 = 32;

impl Colour {
    pub const BLACK: Self = Self::new(0, 0, 0);
    pub const WHITE: Self = Self::new(255, 255, 255);

    #[must_use]
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
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

    /// The nearest to this colour on the way to black or white that can be read on the ground.
    #[must_use]
    pub fn readable_on(self, ground: Self) -> Self {
        let far = if ground.contrast(Self::WHITE) > ground.contrast(Self::BLACK) {
            Self::WHITE
        } else {
            Self::BLACK
        };
        (0..=STEPS)
            .map(|step| self.towards(far, step))
            .find(|colour| colour.contrast(ground) >= TEXT)
            .unwrap_or(far)
    }

    fn towards(self, other: Self, step: u8) -> Self {
        let mix = |from: u8, to: u8| {
            let (from, to, step, steps) = (u32::from(from), u32::from(to), u32::from(step), u32::from(STEPS));
            u8::try_from((from * (steps - step) + to * step) / steps).unwrap_or(to as u8)
        };
        Self::new(mix(self.red, other.red), mix(self.green, other.green), mix(self.blue, other.blue))
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
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6).ok_or(NotAColour)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
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
        assert_eq!("#2F6f4e".parse::<Colour>().map(|colour| colour.to_string()), Ok("#2f6f4e".to_owned()));
        for text in ["", "#", "2f6f4e", "#2f6f4", "#2f6f4e0", "#+f6f4e", "red", "#2f6f4e;", "#ééé"] {
            assert_eq!(text.parse::<Colour>(), Err(NotAColour), "{text:?}");
        }
        assert!((Colour::WHITE.contrast(Colour::BLACK) - 21.0).abs() < 0.001);
    }

    proptest! {
        #[test]
        fn what_is_made_of_a_colour_can_be_read(red: u8, green: u8, blue: u8, ground: (u8, u8, u8)) {
            let (colour, ground) = (Colour::new(red, green, blue), Colour::new(ground.0, ground.1, ground.2));
            let readable = colour.readable_on(ground);
            prop_assert!(readable.contrast(ground) >= TEXT, "{colour} on {ground}: {readable}");
            if colour.contrast(ground) >= TEXT {
                prop_assert_eq!(readable, colour, "it is left as it is where it can be");
            }
        }
    }
}
