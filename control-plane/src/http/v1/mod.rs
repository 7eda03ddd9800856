//! `/api/v1`, one file per group of endpoints.

pub mod admin;
mod answers;
mod api_keys;
mod audit;
mod auth;
mod catalogue;
mod convert;
mod events;
pub mod export;
mod identities;
mod invitations;
mod mails;
mod me;
mod members;
mod operations;
mod projects;
mod providers;
mod second_factor;
mod security;
mod signing_keys;
mod signups;
mod status;
mod tenants;
pub mod types;
mod users;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;

/// All endpoints, under the paths they have within `/api/v1`.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(admin::sign_in))
        .routes(routes!(auth::register))
        .routes(routes!(auth::login))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::logout))
        .routes(routes!(auth::verify_email))
        .routes(routes!(auth::resend_verification))
        .routes(routes!(auth::forgot_password))
        .routes(routes!(auth::reset_password))
        .routes(routes!(me::show))
        .routes(routes!(me::change_password))
        .routes(routes!(me::sessions, me::end_all))
        .routes(routes!(me::end))
        .routes(routes!(identities::mine))
        .routes(routes!(identities::unlink_mine))
        .routes(routes!(api_keys::mine, api_keys::create_mine))
        .routes(routes!(api_keys::one_of_mine, api_keys::revoke_mine))
        .routes(routes!(api_keys::rotate_mine))
        .routes(routes!(second_factor::begin, second_factor::remove))
        .routes(routes!(second_factor::confirm))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::get))
        .routes(routes!(users::suspend))
        .routes(routes!(users::resume))
        .routes(routes!(identities::of_user))
        .routes(routes!(identities::unlink))
        .routes(routes!(second_factor::renew_codes))
        .routes(routes!(security::get, security::update))
        .routes(routes!(tenants::list, tenants::create))
        .routes(routes!(tenants::get, tenants::update, tenants::delete))
        .routes(routes!(tenants::suspend))
        .routes(routes!(tenants::resume))
        .routes(routes!(tenants::sleep))
        .routes(routes!(tenants::wake))
        .routes(routes!(tenants::restore))
        .routes(routes!(tenants::retry))
        .routes(routes!(members::list, members::add))
        .routes(routes!(members::get, members::update, members::remove))
        .routes(routes!(members::hand_over))
        .routes(routes!(api_keys::list, api_keys::create))
        .routes(routes!(api_keys::get, api_keys::revoke))
        .routes(routes!(api_keys::rotate))
        .routes(routes!(providers::list, providers::add))
        .routes(routes!(providers::get, providers::update, providers::remove))
        .routes(routes!(providers::prove))
        .routes(routes!(providers::list_of_tenant, providers::add_to_tenant))
        .routes(routes!(providers::get_of_tenant, providers::update_of_tenant, providers::remove_of_tenant))
        .routes(routes!(providers::prove_of_tenant))
        .routes(routes!(projects::list, projects::create))
        .routes(routes!(projects::get, projects::update, projects::delete))
        .routes(routes!(projects::members))
        .routes(routes!(projects::put_member, projects::remove_member))
        .routes(routes!(invitations::list, invitations::create))
        .routes(routes!(invitations::resend))
        .routes(routes!(invitations::revoke))
        .routes(routes!(invitations::preview))
        .routes(routes!(invitations::accept))
        .routes(routes!(signups::join, signups::of_tenant))
        .routes(routes!(signups::approve_join))
        .routes(routes!(signups::reject_join))
        .routes(routes!(signups::open, signups::list))
        .routes(routes!(signups::approve))
        .routes(routes!(signups::reject))
        .routes(routes!(signups::mine))
        .routes(routes!(operations::list))
        .routes(routes!(operations::get))
        .routes(routes!(operations::cancel))
        .routes(routes!(events::stream))
        .routes(routes!(catalogue::plans))
        .routes(routes!(catalogue::releases))
        .routes(routes!(catalogue::release))
        .routes(routes!(audit::list))
        .routes(routes!(audit::list_of_tenant))
        .routes(routes!(audit::export))
        .routes(routes!(audit::export_of_tenant))
        .routes(routes!(audit::verify))
        .routes(routes!(mails::list))
        .routes(routes!(mails::get))
        .routes(routes!(mails::retry))
        .routes(routes!(signing_keys::list, signing_keys::rotate))
        .routes(routes!(signing_keys::withdraw))
        .routes(routes!(status::status))
}
