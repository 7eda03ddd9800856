//! The line of a vehicle's consumption, drawn on the server.

use serde::Serialize;

use crate::records::consumption::{Stretch, average};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 150.0;
const MARGIN: f64 = 12.0;
/// More points than this do not tell more.
const POINTS: usize = 30;

/// Coordinates within a box of 640 by 150.
#[derive(Debug, Serialize)]
pub struct Chart {
    line: String,
    area: String,
    points: Vec<Point>,
    average_at: String,
    high: String,
    low: String,
    summary: String,
}

#[derive(Debug, Serialize)]
struct Point {
    x: String,
    y: String,
    label: String,
}

/// A chart of the newest stretches; `None` when two points do not make a line yet.
pub fn of(stretches: &[Stretch]) -> Option<Chart> {
    let shown = &stretches[stretches.len().saturating_sub(POINTS)..];
    let mean = average(shown)?;
    if shown.len() < 2 {
        return None;
    }
    let values: Vec<f64> = shown.iter().map(Stretch::litres_per_100_km).collect();
    let low = values.iter().copied().fold(f64::MAX, f64::min);
    let high = values.iter().copied().fold(f64::MIN, f64::max);
    // A flat line lies in the middle, and small differences are not blown up to drama.
    let span = (high - low).max(mean * 0.2).max(0.1);
    let middle = f64::midpoint(high, low);
    let y = |value: f64| HEIGHT / 2.0 - (value - middle) / span * (HEIGHT - 2.0 * MARGIN);
    #[allow(clippy::cast_precision_loss)] // 30 points
    let x = |place: usize| MARGIN + (WIDTH - 2.0 * MARGIN) * place as f64 / (values.len() - 1) as f64;

    let places: Vec<(f64, f64)> = values.iter().enumerate().map(|(n, v)| (x(n), y(*v))).collect();
    let line = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ");
    let points = places.iter().zip(shown).map(|((x, y), stretch)| Point {
        x: format!("{x:.1}"),
        y: format!("{y:.1}"),
        label: format!("{:.2} l/100 km at {} km", stretch.litres_per_100_km(), stretch.ends_at_km),
    });
    Some(Chart {
        area: format!("{MARGIN},{HEIGHT} {line} {:.1},{HEIGHT}", WIDTH - MARGIN),
        points: points.collect(),
        average_at: format!("{:.1}", y(mean)),
        high: format!("{high:.1}"),
        low: format!("{low:.1}"),
        summary: format!(
            "Consumption over the last {} full tanks: from {low:.1} to {high:.1}, on average {mean:.1} l/100 km.",
            values.len()
        ),
        line,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_point_lies_inside_the_box(rows in prop::collection::vec((1..2_000i64, 1..200_000i64), 0..60)) {
            let stretches: Vec<_> = rows
                .into_iter()
                .map(|(kilometres, millilitres)| Stretch { ends_at_km: 1, kilometres, millilitres })
                .collect();
            let chart = of(&stretches);
            prop_assert_eq!(chart.is_some(), stretches.len() >= 2 );
            for point in chart.into_iter().flat_map(|c| c.points) {
                let (x, y): (f64, f64) = (point.x.parse().unwrap(), point.y.parse().unwrap());
                prop_assert!((0.0..=WIDTH).contains(&x) && (0.0..=HEIGHT).contains(&y), "{x},{y}");
            }
        }
    }
}
