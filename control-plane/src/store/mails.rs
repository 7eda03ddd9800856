//! Mail that is to be sent.

use sqlx::types::Json;

use super::{Result, Tx};
use crate::model::email::Email;
use crate::model::ids::{MailId, TenantId};
use crate::model::letter::Letter;

/// Has a letter sent, once the transaction is committed.
///
/// # Errors
/// When the database cannot be reached.
pub async fn queue(
    tx: &mut Tx,
    tenant: Option<TenantId>,
    recipient: &Email,
    letter: &Letter,
) -> Result<MailId> {
    let id = MailId::random();
    sqlx::query(
        "insert into freehold.mails (id, tenant_id, recipient, kind, letter) values ($1, $2, $3, $4, $5)",
    )
    .bind(id)
    .bind(tenant)
    .bind(recipient)
    .bind(letter.kind())
    .bind(Json(letter))
    .execute(tx.sql())
    .await?;
    Ok(id)
}
