//! Litres per 100 km, from one full tank to the next.
//!
//! A fill-up to the brim says how much was used since the last one: all that was put in since then.
//! Partial fill-ups between two full ones count for the stretch they lie in. Before the first full tank
//! and after the last one nothing can be said.

/// What matters of a fill-up. A vehicle's fill-ups are told apart by their odometer reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FillUp {
    pub odometer_km: i32,
    pub millilitres: i32,
    pub full_tank: bool,
}

/// The way between two full tanks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Reading at the full tank that ends it.
    pub ends_at_km: i32,
    pub kilometres: i64,
    pub millilitres: i64,
}

impl Stretch {
    #[must_use]
    pub fn litres_per_100_km(&self) -> f64 {
        per_100_km(self.millilitres, self.kilometres)
    }
}

/// Stretches of one vehicle, oldest first. `fill_ups` are in rising order of their readings.
#[must_use]
pub fn stretches(fill_ups: &[FillUp]) -> Vec<Stretch> {
    let mut found = Vec::new();
    let mut began: Option<i32> = None;
    let mut used: i64 = 0;
    for fill_up in fill_ups {
        used += i64::from(fill_up.millilitres);
        if !fill_up.full_tank {
            continue;
        }
        if let Some(from) = began {
            let kilometres = i64::from(fill_up.odometer_km) - i64::from(from);
            if kilometres > 0 {
                found.push(Stretch { ends_at_km: fill_up.odometer_km, kilometres, millilitres: used });
            }
        }
        began = Some(fill_up.odometer_km);
        used = 0;
    }
    found
}

/// Average over all stretches, each weighing as much as its way is long. `None` without any.
#[must_use]
pub fn average(stretches: &[Stretch]) -> Option<f64> {
    let kilometres: i64 = stretches.iter().map(|s| s.kilometres).sum();
    let millilitres: i64 = stretches.iter().map(|s| s.millilitres).sum();
    (kilometres > 0).then(|| per_100_km(millilitres, kilometres))
}

/// Rounded to a hundredth of a litre: more would pretend to know better than the pump.
#[allow(clippy::cast_precision_loss)] // sums stay far below 2^53
fn per_100_km(millilitres: i64, kilometres: i64) -> f64 {
    (millilitres as f64 / kilometres as f64 * 10.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fill(odometer_km: i32, litres: i32, full_tank: bool) -> FillUp {
        FillUp { odometer_km, millilitres: litres * 1000, full_tank }
    }

    #[test]
    fn from_full_to_full() {
        let found = stretches(&[fill(1000, 40, true), fill(1500, 30, true), fill(2000, 35, true)]);
        assert_eq!(found.iter().map(Stretch::litres_per_100_km).collect::<Vec<_>>(), [6.0, 7.0]);
        assert_eq!(average(&found), Some(6.5));
    }

    #[test]
    fn partial_fill_ups_count_for_the_stretch_they_lie_in() {
        let found = stretches(&[fill(0, 50, true), fill(300, 10, false), fill(1000, 60, true)]);
        assert_eq!(found.len(), 1);
        assert_eq!(average(&found), Some(7.0));
    }

    #[test]
    fn nothing_is_said_before_two_full_tanks() {
        assert_eq!(average(&stretches(&[])), None);
        assert_eq!(average(&stretches(&[fill(0, 50, true)])), None);
        assert_eq!(average(&stretches(&[fill(0, 9, false), fill(5, 50, true), fill(99, 9, false)])), None);
    }

    fn history() -> impl Strategy<Value = Vec<FillUp>> {
        prop::collection::vec((1..5_000i32, 1..2_000_000i32, any::<bool>()), 0..80).prop_map(|rows| {
            let mut odometer_km = 0;
            rows.into_iter()
                .map(|(way, millilitres, full_tank)| {
                    odometer_km += way;
                    FillUp { odometer_km, millilitres, full_tank }
                })
                .collect()
        })
    }

    proptest! {
        /// Said another way: the stretches together are what was put in after the first full tank up to
        /// the last one, over the way between the two.
        #[test]
        fn stretches_cover_exactly_the_way_between_the_first_and_the_last_full_tank(all in history()) {
            let found = stretches(&all);
            let full: Vec<_> = all.iter().filter(|f| f.full_tank).collect();
            prop_assert_eq!(found.len(), full.len().saturating_sub(1));
            if let (Some(first), Some(last)) = (full.first(), full.last()) {
                let way: i64 = found.iter().map(|s| s.kilometres).sum();
                prop_assert_eq!(way, i64::from(last.odometer_km - first.odometer_km));
                let inside = all.iter().filter(|f| f.odometer_km > first.odometer_km && f.odometer_km <= last.odometer_km);
                let used: i64 = inside.map(|f| i64::from(f.millilitres)).sum();
                prop_assert_eq!(found.iter().map(|s| s.millilitres).sum::<i64>(), used);
            }
        }

        #[test]
        fn the_average_lies_between_the_extremes(all in history()) {
            let found = stretches(&all);
            if let Some(average) = average(&found) {
                let each = found.iter().map(Stretch::litres_per_100_km);
                let (low, high) = each.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
                prop_assert!(low <= average && average <= high);
            }
        }

        #[test]
        fn a_partial_fill_up_at_the_end_changes_nothing(all in history(), litres in 1..100i32) {
            let mut more = all.clone();
            more.push(fill(all.last().map_or(1, |f| f.odometer_km + 1), litres, false));
            prop_assert_eq!(stretches(&all), stretches(&more));
        }
    }
}
