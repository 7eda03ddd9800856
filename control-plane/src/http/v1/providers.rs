//! OpenID providers outside: the platform's, and tenants' own.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use secrecy::SecretString;

use super::answers::{Changing, Guarded, Named, Ranked, Read, Sent};
use super::types::Page;
use super::types::providers::{NewProvider, Provider, ProviderChange, ProviderCheck};
use crate::app::App;
use crate::app::providers::{Change, Checked, Of, Wish};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Json, Path};
use crate::http::limits::count_check;
use crate::http::{AppState, detached};
use crate::store::providers::ProviderRecord;

fn provider(app: &App, record: ProviderRecord) -> Provider {
    Provider {
        redirect_uri: app.redirect_uri(&record),
        id: record.id.0,
        name: record.name.to_string(),
        title: record.title,
        issuer: record.issuer.to_string(),
        client_id: record.client_id,
        has_secret: record.secret.is_some(),
        scopes: record.scopes,
        claims: record.claims,
        bearer_audience: record.bearer_audience,
        trust_email: record.trust_email,
        enabled: record.enabled,
        created_at: record.created_at,
        updated_at: record.updated_at,
    }
}

fn page(app: &App, records: Vec<ProviderRecord>) -> axum::Json<Page<Provider>> {
    axum::Json(Page { items: records.into_iter().map(|one| provider(app, one)).collect(), next: None })
}

fn wish(body: NewProvider) -> Wish {
    Wish {
        name: body.name,
        title: body.title,
        issuer: body.issuer,
        client_id: body.client_id,
        secret: body.secret.map(SecretString::from),
        scopes: body.scopes,
        claims: body.claims,
        bearer_audience: body.bearer_audience,
        trust_email: body.trust_email,
        enabled: body.enabled,
    }
}

fn change(body: ProviderChange) -> Change {
    Change {
        title: body.title,
        issuer: body.issuer,
        client_id: body.client_id,
        secret: body.secret.map(|secret| secret.map(SecretString::from)),
        scopes: body.scopes,
        claims: body.claims,
        bearer_audience: body.bearer_audience,
        trust_email: body.trust_email,
        enabled: body.enabled,
    }
}

fn check(checked: Checked) -> axum::Json<ProviderCheck> {
    let (proven, problem) = match checked.found {
        Ok(proven) => (Some(proven), None),
        Err(problem) => (None, Some(problem)),
    };
    axum::Json(ProviderCheck {
        good: problem.is_none(),
        redirect_uri: checked.redirect_uri,
        problem,
        keys: proven.as_ref().map_or(0, |proven| proven.keys),
        authorization_endpoint: proven.map(|proven| proven.authorization_endpoint),
    })
}

/// The platform's providers, by their names: everybody may sign in by them.
#[utoipa::path(
    get, path = "/providers", tag = "providers", operation_id = "list_platform_providers",
    responses((status = 200, description = "All of them.", body = Page<Provider>), Guarded, Ranked)
)]
pub(super) async fn list(
    State(state): State<AppState>,
    Caller(caller): Caller,
) -> Result<axum::Json<Page<Provider>>, Problem> {
    Ok(page(&state.app, state.app.providers(&caller, Of::Platform).await?))
}

/// Add a provider of the platform.
#[utoipa::path(
    post, path = "/providers", tag = "providers", operation_id = "add_platform_provider", request_body = NewProvider,
    responses((status = 201, description = "It is added.", body = Provider), Guarded, Ranked, Changing, Sent, Read)
)]
pub(super) async fn add(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Json(body): Json<NewProvider>,
) -> Result<(StatusCode, axum::Json<Provider>), Problem> {
    let app = Arc::clone(&state.app);
    let made = detached(async move { app.add_provider(&caller, Of::Platform, wish(body)).await }).await?;
    Ok((StatusCode::CREATED, axum::Json(provider(&state.app, made))))
}

/// A provider of the platform.
#[utoipa::path(
    get, path = "/providers/{provider}", tag = "providers", operation_id = "get_platform_provider",
    params(("provider" = String, Path, description = "Its name.")),
    responses((status = 200, description = "Without its secret.", body = Provider), Guarded, Ranked, Named)
)]
pub(super) async fn get(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(name): Path<String>,
) -> Result<axum::Json<Provider>, Problem> {
    Ok(axum::Json(provider(&state.app, state.app.provider(&caller, Of::Platform, &name).await?)))
}

/// Change a provider of the platform. Disabled, or another issuer, client or audience: who came by it is signed out.
#[utoipa::path(
    patch, path = "/providers/{provider}", tag = "providers", operation_id = "update_platform_provider",
    params(("provider" = String, Path, description = "Its name.")), request_body = ProviderChange,
    responses(
        (status = 200, description = "As it is now.", body = Provider),
        Guarded, Ranked, Named, Changing, Sent, Read,
    )
)]
pub(super) async fn update(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(name): Path<String>,
    Json(body): Json<ProviderChange>,
) -> Result<axum::Json<Provider>, Problem> {
    let app = Arc::clone(&state.app);
    let changed =
        detached(async move { app.update_provider(&caller, Of::Platform, &name, change(body)).await });
    Ok(axum::Json(provider(&state.app, changed.await?)))
}

/// Remove a provider of the platform. Who came by it is signed out.
#[utoipa::path(
    delete, path = "/providers/{provider}", tag = "providers", operation_id = "remove_platform_provider",
    params(("provider" = String, Path, description = "Its name.")),
    responses((status = 204, description = "It is gone, and whom it knew with it."), Guarded, Ranked, Named, Changing)
)]
pub(super) async fn remove(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    detached(async move { state.app.remove_provider(&caller, Of::Platform, &name).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask a provider of the platform, now, for what it says of itself and for its keys.
#[utoipa::path(
    post, path = "/providers/{provider}/check", tag = "providers", operation_id = "check_platform_provider",
    params(("provider" = String, Path, description = "Its name.")),
    responses(
        (status = 200, description = "What came of it, good or not.", body = ProviderCheck),
        (status = 429, description = "Asked too often; `Retry-After` says how long to wait.", body = Problem, content_type = "application/problem+json"),
        Guarded, Ranked, Named,
    )
)]
pub(super) async fn prove(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(name): Path<String>,
) -> Result<axum::Json<ProviderCheck>, Problem> {
    count_check(&state.limits, &caller)?;
    Ok(check(state.app.check_provider(&caller, Of::Platform, &name).await?))
}

/// A tenant's own providers, by their names.
#[utoipa::path(
    get, path = "/tenants/{tenant}/providers", tag = "providers", operation_id = "list_providers",
    params(("tenant" = String, Path, description = "Its slug or id.")),
    responses((status = 200, description = "All of them.", body = Page<Provider>), Guarded, Ranked, Named)
)]
pub(super) async fn list_of_tenant(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(tenant): Path<String>,
) -> Result<axum::Json<Page<Provider>>, Problem> {
    Ok(page(&state.app, state.app.providers(&caller, Of::Tenant(&tenant)).await?))
}

/// Add a provider of the tenant's own. Who comes by it is let in to this tenant alone.
#[utoipa::path(
    post, path = "/tenants/{tenant}/providers", tag = "providers", operation_id = "add_provider",
    params(("tenant" = String, Path, description = "Its slug or id.")), request_body = NewProvider,
    responses(
        (status = 201, description = "It is added.", body = Provider),
        Guarded, Ranked, Named, Changing, Sent, Read,
    )
)]
pub(super) async fn add_to_tenant(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(tenant): Path<String>,
    Json(body): Json<NewProvider>,
) -> Result<(StatusCode, axum::Json<Provider>), Problem> {
    let app = Arc::clone(&state.app);
    let made = detached(async move { app.add_provider(&caller, Of::Tenant(&tenant), wish(body)).await });
    Ok((StatusCode::CREATED, axum::Json(provider(&state.app, made.await?))))
}

/// A provider of the tenant's own.
#[utoipa::path(
    get, path = "/tenants/{tenant}/providers/{provider}", tag = "providers", operation_id = "get_provider",
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("provider" = String, Path, description = "The provider's name."),
    ),
    responses((status = 200, description = "Without its secret.", body = Provider), Guarded, Ranked, Named)
)]
pub(super) async fn get_of_tenant(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, name)): Path<(String, String)>,
) -> Result<axum::Json<Provider>, Problem> {
    Ok(axum::Json(provider(&state.app, state.app.provider(&caller, Of::Tenant(&tenant), &name).await?)))
}

/// Change a provider of the tenant's own. Disabled, or another issuer, client or audience: who came by it is signed out.
#[utoipa::path(
    patch, path = "/tenants/{tenant}/providers/{provider}", tag = "providers", operation_id = "update_provider",
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("provider" = String, Path, description = "The provider's name."),
    ),
    request_body = ProviderChange,
    responses(
        (status = 200, description = "As it is now.", body = Provider),
        Guarded, Ranked, Named, Changing, Sent, Read,
    )
)]
pub(super) async fn update_of_tenant(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, name)): Path<(String, String)>,
    Json(body): Json<ProviderChange>,
) -> Result<axum::Json<Provider>, Problem> {
    let app = Arc::clone(&state.app);
    let changed =
        detached(async move { app.update_provider(&caller, Of::Tenant(&tenant), &name, change(body)).await });
    Ok(axum::Json(provider(&state.app, changed.await?)))
}

/// Remove a provider of the tenant's own. Who came by it is signed out.
#[utoipa::path(
    delete, path = "/tenants/{tenant}/providers/{provider}", tag = "providers", operation_id = "remove_provider",
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("provider" = String, Path, description = "The provider's name."),
    ),
    responses((status = 204, description = "It is gone, and whom it knew with it."), Guarded, Ranked, Named, Changing)
)]
pub(super) async fn remove_of_tenant(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, name)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    detached(async move { state.app.remove_provider(&caller, Of::Tenant(&tenant), &name).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask a provider of the tenant's own, now, for what it says of itself and for its keys.
#[utoipa::path(
    post, path = "/tenants/{tenant}/providers/{provider}/check", tag = "providers", operation_id = "check_provider",
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("provider" = String, Path, description = "The provider's name."),
    ),
    responses(
        (status = 200, description = "What came of it, good or not.", body = ProviderCheck),
        (status = 429, description = "Asked too often; `Retry-After` says how long to wait.", body = Problem, content_type = "application/problem+json"),
        Guarded, Ranked, Named,
    )
)]
pub(super) async fn prove_of_tenant(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, name)): Path<(String, String)>,
) -> Result<axum::Json<ProviderCheck>, Problem> {
    count_check(&state.limits, &caller)?;
    Ok(check(state.app.check_provider(&caller, Of::Tenant(&tenant), &name).await?))
}
