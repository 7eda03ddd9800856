//! An upgraded connection: bytes both ways until one side ends it.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

/// Joins visitor and house once both have switched.
pub(super) async fn join(visitor: OnUpgrade, house: OnUpgrade) {
    let both = tokio::try_join!(visitor, house);
    let (visitor, house) = match both {
        Ok(both) => both,
        Err(error) => {
            tracing::debug!(%error, "an upgrade came to nothing");
            return;
        }
    };
    // How a tunnel ends is between its two ends.
    let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(visitor), &mut TokioIo::new(house)).await;
}
