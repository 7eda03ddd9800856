//! Numbers and days as people read them.

use chrono::NaiveDate;

use crate::records::input::show_scaled;

/// Thin spaces between thousands, as in 12 345.
pub fn whole(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    if number < 0 { format!("−{text}") } else { text }
}

pub fn litres(millilitres: i64) -> String {
    format!("{:.2}", Scaled { number: millilitres, places: 3 }.value())
}

pub fn money(cents: i64) -> String {
    format!("{}.{:02}", whole(cents / 100), (cents % 100).abs())
}

pub fn day(day: NaiveDate) -> String {
    day.format("%-d %b %Y").to_string()
}

/// As it is typed into a field again.
pub fn typed(number: i64, places: u32) -> String {
    show_scaled(number, places)
}

struct Scaled {
    number: i64,
    places: u32,
}

impl Scaled {
    #[allow(clippy::cast_precision_loss)] // amounts of one tank
    fn value(&self) -> f64 {
        self.number as f64 / 10_f64.powi(self.places.cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(whole(0), "0");
        assert_eq!(whole(999), "999");
        assert_eq!(whole(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(litres(45_670), "45.67");
        assert_eq!(money(123_405), "1\u{202f}234.05");
        assert_eq!(typed(45_600, 3), "45.6");
    }
}
