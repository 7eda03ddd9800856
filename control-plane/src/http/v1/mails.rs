//! Mails, for platform admins.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answers::{Changing, Guarded, Named, Read};
use super::types::{Mail, MailDetail, Page};
use crate::app::mails::Listing;
use crate::http::caller::Admin;
use crate::http::error::Problem;
use crate::http::extract::{Path, Query};
use crate::http::{AppState, detached};
use crate::model::letter::MailState;
use crate::store::mails::MailRecord;

/// Which mails to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// `queued`, `sent` or `dead`.
    state: Option<String>,
    /// Part of the recipient's address.
    search: Option<String>,
    /// What the page before gave as `next`.
    cursor: Option<String>,
    /// Items of a page: 1 to 200, 50 unless said.
    #[param(example = "50")]
    limit: Option<String>,
}

/// List mails, the latest first.
#[utoipa::path(
    get, path = "/mails", tag = "mails", operation_id = "list_mails", params(Filter),
    responses((status = 200, description = "A page of them.", body = Page<Mail>), Guarded, Read)
)]
pub(super) async fn list(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Query(filter): Query<Filter>,
) -> Result<axum::Json<Page<Mail>>, Problem> {
    let Filter { state: wanted, search, cursor, limit } = filter;
    let page = state.app.mails(&caller, &Listing { state: wanted, search, cursor, limit }).await?;
    Ok(axum::Json(Page { items: page.items.into_iter().map(mail).collect(), next: page.next }))
}

/// Get a mail, and what it said where that was kept.
#[utoipa::path(
    get, path = "/mails/{mail}", tag = "mails", operation_id = "get_mail",
    params(("mail" = Uuid, Path, description = "Its id.")),
    responses((status = 200, description = "The mail.", body = MailDetail), Guarded, Named)
)]
pub(super) async fn get(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<axum::Json<MailDetail>, Problem> {
    let (record, body) = state.app.mail(&caller, &id).await?;
    Ok(axum::Json(MailDetail { mail: mail(record), text: body.body_text, html: body.body_html }))
}

/// Have a mail that was given up tried again.
#[utoipa::path(
    post, path = "/mails/{mail}/retry", tag = "mails", operation_id = "retry_mail",
    params(("mail" = Uuid, Path, description = "Its id.")),
    responses((status = 200, description = "The mail, which waits again.", body = Mail), Guarded, Named, Changing)
)]
pub(super) async fn retry(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<axum::Json<Mail>, Problem> {
    let app = state.app.clone();
    let record = detached(async move { app.retry_mail(&caller, &id).await }).await?;
    Ok(axum::Json(mail(record)))
}

fn mail(record: MailRecord) -> Mail {
    Mail {
        id: record.id.0,
        tenant_id: record.tenant_id.map(|id| id.0),
        can_retry: record.state == MailState::Dead && record.letter_kept,
        due_at: (record.state == MailState::Queued).then_some(record.due_at),
        recipient: record.recipient,
        kind: record.kind,
        subject: record.subject,
        state: record.state,
        attempts: record.attempts,
        last_error: record.last_error,
        ended_at: record.ended_at,
        created_at: record.created_at,
    }
}
