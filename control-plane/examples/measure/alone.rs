//! What costs time by itself: the check of a token and the hash of a password.

use std::time::Instant;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use control_plane::identity::checked::Remembering;
use control_plane::identity::tokens::{Issuer, Subject, USER_AUDIENCE, generate_key};
use control_plane::model::ids::{SessionId, UserId};
use jsonwebtoken::{Algorithm as Signature, DecodingKey, Validation, decode};

use super::client::Failure;

const ISSUER: &str = "http://freehold.localhost";

/// Microseconds for a token's check, by round: ours, ours of one that is known, and a bare decoding.
pub fn tokens(rounds: usize, checks: usize) -> Result<(), Failure> {
    let issuer = Issuer::from_pem(&generate_key(), ISSUER)?;
    let subject = Subject {
        id: UserId::random().to_string(),
        session: Some(SessionId::random()),
        ..Subject::default()
    };
    let token = issuer.issue(subject, USER_AUDIENCE, 15)?;
    let (verifier, remembering) = (issuer.verifier(), Remembering::from(issuer.verifier()));
    let key = DecodingKey::from_jwk(&issuer.jwks().keys[0])?;
    let mut validation = Validation::new(Signature::EdDSA);
    validation.set_audience(&[USER_AUDIENCE]);
    let ours = || verifier.verify(&token, &[USER_AUDIENCE]).is_ok();
    let known = || remembering.verify(&token, &[USER_AUDIENCE]).is_ok();
    let bare = || decode::<serde_json::Value>(&token, &key, &validation).is_ok();
    let (mut of_ours, mut of_known, mut of_bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..=rounds {
        of_ours.push(timed(checks, ours)?);
        of_known.push(timed(checks, known)?);
        of_bare.push(timed(checks, bare)?);
    }
    // the first round was to warm up
    println!("{}", serde_json::json!({ "ours": of_ours[1..], "known": of_known[1..], "bare": of_bare[1..] }));
    Ok(())
}

/// Microseconds for one of so many.
fn timed(checks: usize, check: impl Fn() -> bool) -> Result<f64, Failure> {
    let begun = Instant::now();
    for _ in 0..checks {
        if !std::hint::black_box(check()) {
            return Err("the token was refused".into());
        }
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / checks as f64)
}

/// Milliseconds for one hash at this cost, by round.
pub fn password(memory_kib: u32, iterations: u32, rounds: usize) -> Result<(), Failure> {
    let wrong = |error: argon2::Error| error.to_string();
    let params = Params::new(memory_kib, iterations, 1, None).map_err(wrong)?;
    let mut memory = vec![Block::new(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let (mut took, mut output) = (Vec::new(), [0; Params::DEFAULT_OUTPUT_LEN]);
    for _ in 0..=rounds {
        let begun = Instant::now();
        let password = std::hint::black_box(b"a benchmark's long password");
        argon2
            .hash_password_into_with_memory(password, b"sixteen bytes it", &mut output, &mut memory[..])
            .map_err(wrong)?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    println!("{}", serde_json::json!(took[1..]));
    Ok(())
}
