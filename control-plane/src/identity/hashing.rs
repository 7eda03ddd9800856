//! Argon2id, in memory that is kept from one hash to the next: to have it mapped and zeroed anew costs up to a third of
//! a hash, as the allocator pleases. What is left in it is what argon2 leaves in memory that it gives back.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use super::passwords::Verdict;
use super::random_bytes;
use crate::config::Argon2Config;

/// Bytes of a salt, as recommended.
const SALT: usize = argon2::RECOMMENDED_SALT_LEN;

/// Hashes at one cost.
pub(super) struct Hashing {
    params: Params,
    /// As many as hashes were ever computed at the same time.
    memory: Mutex<Vec<Vec<Block>>>,
}

impl fmt::Debug for Hashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hashing").field("params", &self.params).finish_non_exhaustive()
    }
}

impl Hashing {
    /// A cost that argon2 does not know, which no configuration can give, is the crate's own.
    pub(super) fn new(cost: Argon2Config) -> Self {
        let params =
            Params::new(cost.memory_kib, cost.iterations, cost.parallelism, None).unwrap_or_default();
        Self { params, memory: Mutex::default() }
    }

    /// A password's hash as a PHC string, with a salt of its own.
    pub(super) fn hash(&self, password: &[u8]) -> Option<String> {
        let salt = random_bytes::<SALT>();
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        self.fill(&self.params, Version::default(), password, &salt, &mut output)?;
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::default().into()),
            params: ParamsString::try_from(&self.params).ok()?,
            salt: Some(Salt::new(&salt).ok()?),
            hash: Some(Output::new(&output).ok()?),
        };
        Some(hash.to_string())
    }

    /// How a password compares to a hash, at the cost that stands in it. Without one that can be read it takes as long
    /// as with one of today's cost.
    pub(super) fn compare(&self, password: &[u8], hash: Option<&str>) -> Verdict {
        match hash.and_then(Read::from) {
            Some(hash) => self.compared(password, &hash),
            None => {
                let mut nobody = [0; Params::DEFAULT_OUTPUT_LEN];
                self.fill(&self.params, Version::default(), password, &[0; SALT], &mut nobody);
                Verdict::Wrong
            }
        }
    }

    fn compared(&self, password: &[u8], hash: &Read) -> Verdict {
        let mut output = [0; Output::MAX_LENGTH];
        let output = &mut output[..hash.output.len()];
        let filled = self.fill(&hash.params, hash.version, password, &hash.salt, output);
        // An output is compared in the same time wherever it differs.
        if filled.and_then(|()| Output::new(output).ok()) != Some(hash.output) {
            return Verdict::Wrong;
        }
        let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        if cost(&hash.params) == cost(&self.params) { Verdict::Right } else { Verdict::Outdated }
    }

    fn fill(
        &self,
        params: &Params,
        version: Version,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> Option<()> {
        let mut memory = self.kept().pop().unwrap_or_default();
        memory.resize(params.block_count(), Block::new());
        let argon2 = Argon2::new(Algorithm::Argon2id, version, params.clone());
        let done = argon2.hash_password_into_with_memory(password, salt, output, &mut memory[..]);
        self.kept().push(memory);
        done.ok()
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Vec<Block>>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A hash of ours, taken apart.
struct Read {
    params: Params,
    version: Version,
    salt: Salt,
    output: Output,
}

impl Read {
    fn from(text: &str) -> Option<Self> {
        let hash = PasswordHash::new(text).ok()?;
        (hash.algorithm == Algorithm::Argon2id.ident()).then_some(())?;
        Some(Self {
            params: Params::try_from(&hash).ok()?,
            version: hash.version.map_or(Ok(Version::default()), Version::try_from).ok()?,
            salt: hash.salt?,
            output: hash.hash?,
        })
    }
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::{PasswordHasher, PasswordVerifier};

    use super::*;

    fn cost(memory_kib: u32, iterations: u32) -> Argon2Config {
        Argon2Config { memory_kib, iterations, parallelism: 1 }
    }

    fn reference(memory_kib: u32, iterations: u32) -> Argon2<'static> {
        let params = Params::new(memory_kib, iterations, 1, None).expect("params");
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
    }

    /// Also in memory that another hash, of another size, has left behind.
    #[test]
    fn hashes_are_those_of_the_crate_that_computes_them() {
        let hashing = Hashing::new(cost(64, 2));
        for (memory_kib, iterations) in [(64, 2), (256, 1), (32, 3), (64, 2)] {
            let theirs = reference(memory_kib, iterations).hash_password(b"a password").expect("hash");
            let verdict = hashing.compare(b"a password", Some(&theirs.to_string()));
            let same = (memory_kib, iterations) == (64, 2);
            assert_eq!(verdict, if same { Verdict::Right } else { Verdict::Outdated });
            assert_eq!(hashing.compare(b"another", Some(&theirs.to_string())), Verdict::Wrong);
            let ours = PasswordHash::new(&hashing.hash(b"a password").expect("hash")).expect("a hash");
            assert!(reference(64, 2).verify_password(b"a password", &ours).is_ok());
        }
        assert_eq!(hashing.kept().len(), 1, "one was computed at a time");
    }

    #[test]
    fn what_is_no_hash_of_ours_is_nobodys() {
        let hashing = Hashing::new(cost(64, 1));
        let ours = hashing.hash(b"a password").expect("hash");
        for bad in [ours.replace("argon2id", "argon2i"), ours.replace("v=19", "v=18"), "no hash".into()] {
            assert_eq!(hashing.compare(b"a password", Some(&bad)), Verdict::Wrong, "{bad}");
        }
        let (without_output, _) = ours.rsplit_once('$').expect("parts");
        assert_eq!(hashing.compare(b"a password", Some(without_output)), Verdict::Wrong);
    }
}
