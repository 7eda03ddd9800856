//! The audit log's seals and chain: what shows that an entry was changed, put in or taken out.

use super::people_key::{PeopleKey, Use};

/// Over everything that an entry says, by whoever wrote it.
#[must_use]
pub fn seal(key: &PeopleKey, fields: &[&str]) -> [u8; 32] {
    let parts: Vec<&[u8]> = fields.iter().map(|field| field.as_bytes()).collect();
    key.code(Use::AuditSeal, &parts)
}

/// An entry's link: over its place, its seal and the link before. The first has none before it.
#[must_use]
pub fn link(key: &PeopleKey, before: Option<&[u8]>, position: i64, seal: &[u8]) -> [u8; 32] {
    key.code(Use::AuditLink, &[before.unwrap_or_default(), &position.to_be_bytes(), seal])
}

/// One entry as the chain sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked<'a> {
    pub position: i64,
    /// What its fields give now.
    pub sealed_again: [u8; 32],
    pub seal: &'a [u8],
    pub link: &'a [u8],
}

/// What is wrong with a chain, at the first place where something is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("entry {0} was changed, or is none of ours")]
    Changed(i64),
    #[error("entry {0} is missing")]
    Missing(i64),
    #[error("entry {0} does not follow from the one before it")]
    Unlinked(i64),
}

/// Walks along a chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    /// How many entries were found to be right; the place of the last of them.
    pub position: i64,
    pub link: Option<Vec<u8>>,
}

impl Walk {
    /// Goes on to the next entry.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn step(&mut self, key: &PeopleKey, next: &Linked<'_>) -> Result<(), Broken> {
        let expected = self.position + 1;
        if next.position != expected {
            return Err(Broken::Missing(expected));
        }
        if next.sealed_again.as_slice() != next.seal {
            return Err(Broken::Changed(expected));
        }
        if link(key, self.link.as_deref(), expected, next.seal).as_slice() != next.link {
            return Err(Broken::Unlinked(expected));
        }
        self.position = expected;
        self.link = Some(next.link.to_vec());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Entry = (Vec<String>, [u8; 32], i64, [u8; 32]);

    fn fields(entry: &[String]) -> Vec<&str> {
        entry.iter().map(String::as_str).collect()
    }

    fn chained(key: &PeopleKey, entries: &[Vec<String>]) -> Vec<Entry> {
        let mut before: Option<[u8; 32]> = None;
        let mut chain = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let position = index as i64 + 1;
            let seal = seal(key, &fields(entry));
            let linked = link(key, before.as_ref().map(<[u8; 32]>::as_slice), position, &seal);
            before = Some(linked);
            chain.push((entry.clone(), seal, position, linked));
        }
        chain
    }

    fn walked(key: &PeopleKey, chain: &[Entry]) -> Result<i64, Broken> {
        let mut walk = Walk::default();
        for (entry, sealed, position, linked) in chain {
            let sealed_again = seal(key, &fields(entry));
            walk.step(key, &Linked { position: *position, sealed_again, seal: sealed, link: linked })?;
        }
        Ok(walk.position)
    }

    proptest! {
        #[test]
        fn whatever_is_changed_taken_out_put_in_or_swapped_is_found(
            entries in prop::collection::vec(prop::collection::vec("[a-c]{0,3}", 3), 2..12),
            at in any::<prop::sample::Index>(),
        ) {
            let key = PeopleKey::generate();
            let chain = chained(&key, &entries);
            prop_assert_eq!(walked(&key, &chain), Ok(chain.len() as i64));
            let at = at.index(chain.len());

            let mut changed = chain.clone();
            changed[at].0[1].push('x');
            prop_assert_eq!(walked(&key, &changed), Err(Broken::Changed(at as i64 + 1)));

            // who has the table but not the key can seal nothing
            changed[at].1 = seal(&PeopleKey::generate(), &fields(&changed[at].0));
            prop_assert_eq!(walked(&key, &changed), Err(Broken::Changed(at as i64 + 1)));

            if at + 1 < chain.len() {
                let mut less = chain.clone();
                less.remove(at);
                prop_assert_eq!(walked(&key, &less), Err(Broken::Missing(at as i64 + 1)));
                // also when those behind it move up
                for entry in &mut less[at..] {
                    entry.2 -= 1;
                }
                prop_assert_eq!(walked(&key, &less), Err(Broken::Unlinked(at as i64 + 1)));
            }

            let mut more = chain.clone();
            more.insert(at, chain[at].clone());
            prop_assert_eq!(walked(&key, &more), Err(Broken::Missing(at as i64 + 2)));
        }
    }
}
