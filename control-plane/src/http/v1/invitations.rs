//! Invitations: sent, seen, sent again, taken back and accepted.

use axum::extract::State;
use axum::http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::IntoParams;

use super::types::Page;
use super::types::invitations::{
    Acceptance, Invitation, InvitationOffer, InvitationToken, Joined, NewInvitation,
};
use crate::app::invitations::{Listing, NewAccount};
use crate::http::caller::{Anybody, Caller};
use crate::http::error::Problem;
use crate::http::extract::{Json, Path, Query};
use crate::http::{AppState, detached};
use crate::store::invitations::InvitationRecord;

/// Which invitations to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Part of the address.
    search: Option<String>,
    /// One or more statuses, joined by commas.
    #[param(example = "pending,expired")]
    status: Option<String>,
    /// What the page before gave as `next`.
    cursor: Option<String>,
    /// Items of a page: 1 to 200, 50 unless said.
    #[param(example = "50")]
    limit: Option<String>,
}

fn invitation(record: InvitationRecord) -> Invitation {
    Invitation {
        id: record.id.0,
        email: record.email.to_string(),
        role: record.role,
        status: record.status,
        invited_by: record.invited_by,
        sent_at: record.sent_at,
        expires_at: record.expires_at,
        created_at: record.created_at,
    }
}

/// List a tenant's invitations, the newest first.
#[utoipa::path(
    get, path = "/tenants/{tenant}/invitations", tag = "invitations", operation_id = "list_invitations",
    params(("tenant" = String, Path, description = "Its slug or id."), Filter),
    responses(
        (status = 200, description = "A page of them.", body = Page<Invitation>),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named, super::answers::Read,
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(tenant): Path<String>,
    Query(filter): Query<Filter>,
) -> Result<axum::Json<Page<Invitation>>, Problem> {
    let listing = Listing {
        search: filter.search,
        statuses: filter.status,
        cursor: filter.cursor,
        limit: filter.limit,
    };
    let page = state.app.invitations(&caller, &tenant, &listing).await?;
    Ok(axum::Json(Page { items: page.items.into_iter().map(invitation).collect(), next: page.next }))
}

/// Offer an address a place, by mail. The offer is good for seven days.
#[utoipa::path(
    post, path = "/tenants/{tenant}/invitations", tag = "invitations", operation_id = "create_invitation",
    params(("tenant" = String, Path, description = "Its slug or id.")),
    request_body = NewInvitation,
    responses(
        (status = 201, description = "The mail is on its way.", body = Invitation),
        (status = 409, description = "They are a member, or an offer is open.", body = Problem, content_type = "application/problem+json"),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named, super::answers::Read,
        super::answers::Sent,
    )
)]
pub(super) async fn create(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(tenant): Path<String>,
    Json(body): Json<NewInvitation>,
) -> Result<(StatusCode, axum::Json<Invitation>), Problem> {
    let app = state.app.clone();
    let made = detached(async move { app.invite(&caller, &tenant, &body.email, body.role).await }).await?;
    Ok((StatusCode::CREATED, axum::Json(invitation(made))))
}

/// Send an invitation again, for seven more days. The link in the mail before is good no more.
#[utoipa::path(
    post, path = "/tenants/{tenant}/invitations/{invitation}/resend", tag = "invitations",
    operation_id = "resend_invitation",
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("invitation" = String, Path, description = "The invitation's id."),
    ),
    responses(
        (status = 200, description = "The mail is on its way.", body = Invitation),
        (status = 409, description = "It was accepted or taken back.", body = Problem, content_type = "application/problem+json"),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named,
    )
)]
pub(super) async fn resend(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, id)): Path<(String, String)>,
) -> Result<axum::Json<Invitation>, Problem> {
    let app = state.app.clone();
    let sent = detached(async move { app.resend_invitation(&caller, &tenant, &id).await }).await?;
    Ok(axum::Json(invitation(sent)))
}

/// Take an invitation back.
#[utoipa::path(
    delete, path = "/tenants/{tenant}/invitations/{invitation}", tag = "invitations",
    operation_id = "revoke_invitation",
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("invitation" = String, Path, description = "The invitation's id."),
    ),
    responses(
        (status = 204, description = "Its link is good no more."),
        (status = 409, description = "It was accepted.", body = Problem, content_type = "application/problem+json"),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named,
    )
)]
pub(super) async fn revoke(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let app = state.app.clone();
    detached(async move { app.revoke_invitation(&caller, &tenant, &id).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// See what an invitation offers, by the secret out of its mail.
#[utoipa::path(
    post, path = "/invitations/preview", tag = "invitations", operation_id = "preview_invitation", security(()),
    request_body = InvitationToken,
    responses(
        (status = 200, description = "The offer.", body = InvitationOffer),
        (status = 409, description = "It can no longer be accepted.", body = Problem, content_type = "application/problem+json"),
        super::answers::Open, super::answers::Named, super::answers::Read, super::answers::Sent,
    )
)]
pub(super) async fn preview(
    State(state): State<AppState>,
    Json(body): Json<InvitationToken>,
) -> Result<axum::Json<InvitationOffer>, Problem> {
    let offer = state.app.preview_invitation(&SecretString::from(body.token)).await?;
    Ok(axum::Json(InvitationOffer {
        tenant: offer.tenant.slug.to_string(),
        name: offer.tenant.name,
        email: offer.invitation.email.to_string(),
        role: offer.invitation.role,
        expires_at: offer.invitation.expires_at,
    }))
}

/// Accept an invitation: signed in with its address, or, where it has no account, with a name and a password for one.
#[utoipa::path(
    post, path = "/invitations/accept", tag = "invitations", operation_id = "accept_invitation",
    security((), ("token" = [])),
    request_body = Acceptance,
    responses(
        (status = 201, description = "They belong to the tenant.", body = Joined),
        (status = 401, description = "The address has an account: sign in first.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It can no longer be accepted, they are a member, or the plan has no room.", body = Problem, content_type = "application/problem+json"),
        super::answers::Open, super::answers::Ranked, super::answers::Named, super::answers::Read,
        super::answers::Sent,
    )
)]
pub(super) async fn accept(
    State(state): State<AppState>,
    Anybody(caller): Anybody,
    Json(body): Json<Acceptance>,
) -> Result<(StatusCode, axum::Json<Joined>), Problem> {
    let secret = SecretString::from(body.token);
    let account = NewAccount { name: body.name, password: body.password.map(SecretString::from) };
    let app = state.app.clone();
    let offer = detached(async move { app.accept_invitation(&caller, &secret, account).await }).await?;
    let host = offer.tenant.hosts.first().map(ToString::to_string).unwrap_or_default();
    let joined = Joined {
        tenant: offer.tenant.slug.to_string(),
        name: offer.tenant.name,
        role: offer.invitation.role,
        url: state.app.settings().url_of(&host),
    };
    Ok((StatusCode::CREATED, axum::Json(joined)))
}
