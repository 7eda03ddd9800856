//! What costs time by itself: the checks of a token and of an API key, and the hash of a password.

use std::time::Instant;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use control_plane::identity::api_keys::ApiKey;
use control_plane::identity::checked::Remembering;
use control_plane::identity::tokens::{Issuer, Subject, USER_AUDIENCE, generate_id_key, generate_key};
use control_plane::model::ids::{SessionId, UserId};
use jsonwebtoken::{Algorithm as Signature, DecodingKey, Validation, decode};
use secrecy::ExposeSecret;

use super::client::Failure;

const ISSUER: &str = "http://freehold.localhost";

/// Microseconds for a check, by round: of a token, of one that is known, of an API key, and a token's bare decoding.
pub fn tokens(rounds: usize, checks: usize) -> Result<(), Failure> {
    let issuer = Issuer::from_pems(&generate_key(), &generate_id_key(), ISSUER)?;
    let subject = Subject {
        id: UserId::random().to_string(),
        session: Some(SessionId::random()),
        ..Subject::default()
    };
    let token = issuer.issue(subject, USER_AUDIENCE, 15)?;
    let (verifier, remembering) = (issuer.verifier(), Remembering::from(issuer.verifier()));
    let public = DecodingKey::from_jwk(&issuer.jwks().keys[0])?;
    let mut validation = Validation::new(Signature::EdDSA);
    validation.set_audience(&[USER_AUDIENCE]);
    let ours = || verifier.verify(&token, &[USER_AUDIENCE]).is_ok();
    let known = || remembering.verify(&token, &[USER_AUDIENCE]).is_ok();
    let key = ApiKey::generate();
    let (text, hash) = (key.text.expose_secret().to_owned(), key.hash());
    let of_key = || ApiKey::parse(&text).is_some_and(|sent| sent.is_of(&hash));
    let bare = || decode::<serde_json::Value>(&token, &public, &validation).is_ok();
    let (mut of_ours, mut of_known, mut of_keys, mut of_bare) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..=rounds {
        of_ours.push(timed(checks, ours)?);
        of_known.push(timed(checks, known)?);
        of_keys.push(timed(checks, of_key)?);
        of_bare.push(timed(checks, bare)?);
    }
    // the first round was to warm up
    let took = [("ours", of_ours), ("known", of_known), ("key", of_keys), ("bare", of_bare)];
    let took = took.map(|(what, rounds)| (what.to_owned(), serde_json::json!(rounds[1..])));
    println!("{}", serde_json::Value::Object(took.into_iter().collect()));
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
