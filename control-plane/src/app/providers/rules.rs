//! What a provider may be: pure.

use secrecy::{ExposeSecret, SecretString};

use super::super::error::Error;
use super::super::rules::{self, Findings};
use super::super::{Result, Wrong};
use crate::model::ids::TenantId;
use crate::model::provider::{ClaimMap, InvalidIssuer, IssuerUrl, ProviderName};
use crate::model::role::Role;

/// Longest client id, audience, name of a claim or of a role at the provider.
const TEXT: usize = 255;
/// Longest secret.
const SECRET: usize = 1024;
/// Longest list of scopes.
const SCOPES: usize = 500;
/// Roles of a provider's that mean something here.
const ROLES: usize = 50;

/// What is said of a provider and is right, beside its id and name, its secret, and whether it is enabled.
#[derive(Debug)]
pub(super) struct Right {
    pub title: String,
    pub issuer: IssuerUrl,
    pub client_id: String,
    pub scopes: String,
    pub claims: ClaimMap,
    pub bearer_audience: Option<String>,
    pub trust_email: bool,
}

/// What somebody says of a provider.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub title: String,
    pub issuer: String,
    pub client_id: String,
    pub scopes: String,
    pub claims: ClaimMap,
    pub bearer_audience: Option<String>,
    pub trust_email: bool,
}

/// A provider's name.
pub(super) fn name(text: &str) -> Result<ProviderName> {
    text.parse().map_err(|error| Error::wrong("name", error))
}

/// A client's secret.
pub(super) fn secret(text: &SecretString) -> Result<&SecretString> {
    let length = text.expose_secret().len();
    let plain = text.expose_secret().chars().all(|one| !one.is_control());
    if (1..=SECRET).contains(&length) && plain {
        Ok(text)
    } else {
        Err(Error::wrong("secret", format!("1 to {SECRET} bytes without control characters")))
    }
}

fn visible(text: &str) -> Result<String, String> {
    if (1..=TEXT).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        Ok(text.to_owned())
    } else {
        Err(format!("1 to {TEXT} ASCII characters"))
    }
}

fn issuer(text: &str, tenant: Option<TenantId>) -> Result<IssuerUrl, InvalidIssuer> {
    let issuer: IssuerUrl = text.parse()?;
    // The platform's may be on a network of its own, which its configuration names.
    if tenant.is_some() && !issuer.is_https() { Err(InvalidIssuer::Scheme) } else { Ok(issuer) }
}

/// Scopes as RFC 6749 (3.3) has them, each once.
fn scopes(text: &str) -> Result<String, String> {
    let mut scopes: Vec<&str> = Vec::new();
    for scope in text.split(' ').filter(|scope| !scope.is_empty()) {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    let good = |scope: &&str| scope.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
    if text.len() > SCOPES || !scopes.iter().all(good) {
        return Err(format!("scopes are separated by spaces, and have at most {SCOPES} characters"));
    }
    if !scopes.contains(&"openid") {
        return Err("openid has to be among the scopes: without it nobody says who somebody is".to_owned());
    }
    Ok(scopes.join(" "))
}

/// For whom tokens must be. A tenant's names the tenant, so that no tenant can name what is another's.
fn audience(text: &str, client_id: &str, tenant: Option<TenantId>) -> Result<String, String> {
    let text = visible(text)?;
    if text == client_id {
        return Err("it is not the client id: an ID token would pass for one that opens the API".to_owned());
    }
    match tenant {
        Some(tenant) if !text.ends_with(&tenant.to_string()) => {
            Err(format!("it ends with the tenant's id, as in https://freehold.example/tenants/{tenant}"))
        }
        _ => Ok(text),
    }
}

/// What is wrong with a map of claims.
fn claims(map: &ClaimMap, tenant: Option<TenantId>) -> Result<(), Wrong> {
    let wrong = |field: &str, text: &str| Err(Wrong::new(format!("claims.{field}"), text));
    let named = [
        ("email", Some(&map.email)),
        ("email_verified", Some(&map.email_verified)),
        ("name", Some(&map.name)),
        ("tenants", map.tenants.as_ref()),
        ("signup_status", map.signup_status.as_ref()),
        ("roles", map.roles.as_ref()),
    ];
    for (field, claim) in named.into_iter().filter_map(|(field, claim)| Some((field, claim?))) {
        if let Err(text) = visible(claim) {
            return wrong(field, &format!("the name of a claim has {text}"));
        }
    }
    if map.tenants.is_some() && tenant.is_some() {
        return wrong("tenants", "whoever comes by a tenant's provider comes to that tenant");
    }
    let somewhere = tenant.is_some() || map.tenants.is_some();
    if !somewhere && map.roles.is_some() {
        return wrong(
            "roles",
            "of the platform's provider roles need claims.tenants: it says where they count",
        );
    }
    if !somewhere && map.default_role.is_some() {
        return wrong(
            "default_role",
            "of the platform's provider it needs claims.tenants: anybody could join",
        );
    }
    if map.roles.is_some() == map.role_of.is_empty() {
        return wrong("role_of", "roles and role_of are given together, or neither");
    }
    if map.role_of.len() > ROLES {
        return wrong("role_of", &format!("at most {ROLES} roles"));
    }
    if let Some(text) = map.role_of.keys().find_map(|role| visible(role).err()) {
        return wrong("role_of", &format!("the name of a role has {text}"));
    }
    let owner = "nobody is made an owner by what a provider says; admin is the most";
    if map.role_of.values().any(|role| *role == Role::Owner) {
        return wrong("role_of", owner);
    }
    if map.default_role == Some(Role::Owner) {
        return wrong("default_role", owner);
    }
    Ok(())
}

/// What is said of a provider of that tenant, or of the platform, as far as it is right.
///
/// # Errors
/// `Invalid` with all that is wrong.
pub(super) fn checked(draft: Draft, tenant: Option<TenantId>) -> Result<Right> {
    let mut findings = Findings::default();
    let title = findings.take("title", rules::name(&draft.title));
    let issuer = findings.take("issuer", issuer(&draft.issuer, tenant));
    let client_id = findings.take("client_id", visible(&draft.client_id));
    let scopes = findings.take("scopes", scopes(&draft.scopes));
    let audience = draft.bearer_audience.map(|text| audience(&text, &draft.client_id, tenant));
    let bearer_audience = audience.and_then(|audience| findings.take("bearer_audience", audience));
    if draft.trust_email && tenant.is_some() {
        let text = "addresses are trusted without proof from the platform's providers alone";
        findings.check(Err(Wrong::new("trust_email", text)));
    }
    findings.check(claims(&draft.claims, tenant));
    findings.done()?;
    let (Some(title), Some(issuer), Some(client_id), Some(scopes)) = (title, issuer, client_id, scopes)
    else {
        return Err(Error::internal("a finding was lost"));
    };
    Ok(Right {
        title,
        issuer,
        client_id,
        scopes,
        claims: draft.claims,
        bearer_audience,
        trust_email: draft.trust_email,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft {
            title: "Example".to_owned(),
            issuer: "https://login.example.com/".to_owned(),
            client_id: "freehold".to_owned(),
            scopes: "openid  email openid".to_owned(),
            claims: ClaimMap::default(),
            bearer_audience: None,
            trust_email: false,
        }
    }

    /// The fields that are wrong of the platform's, and of a tenant's.
    fn wrong(change: impl Fn(&mut Draft)) -> [Vec<String>; 2] {
        [None, Some(TenantId::random())].map(|tenant| {
            let mut draft = draft();
            change(&mut draft);
            match checked(draft, tenant) {
                Ok(_) => Vec::new(),
                Err(Error::Invalid(wrong)) => wrong.into_iter().map(|one| one.field).collect(),
                Err(other) => panic!("{other:?}"),
            }
        })
    }

    /// The same of a map of claims.
    fn claimed(map: &str) -> [Vec<String>; 2] {
        wrong(|draft| draft.claims = serde_json::from_str(map).expect(map))
    }

    #[test]
    fn a_tenants_provider_is_trusted_with_less_than_the_platforms() {
        let none: [Vec<String>; 2] = [Vec::new(), Vec::new()];
        let tenants = |field: &str| [Vec::new(), vec![field.to_owned()]];
        assert_eq!(wrong(|_| ()), none);
        assert_eq!(wrong(|draft| draft.issuer = "http://10.0.0.1/".to_owned()), tenants("issuer"));
        assert_eq!(wrong(|draft| draft.trust_email = true), tenants("trust_email"));
        assert_eq!(
            claimed(r#"{"tenants": "https://freehold.example/tenant_id"}"#),
            tenants("claims.tenants")
        );
        assert_eq!(
            wrong(|draft| draft.bearer_audience = Some("https://api.example".to_owned())),
            tenants("bearer_audience")
        );
        // where people of the platform's provider belong has to be said by it, or they are made members of nothing
        let platforms = |field: &str| [vec![field.to_owned()], Vec::new()];
        assert_eq!(claimed(r#"{"default_role": "member"}"#), platforms("claims.default_role"));
        let roles = r#"{"roles": "roles", "role_of": {"boss": "admin"}}"#;
        assert_eq!(claimed(roles), platforms("claims.roles"));
        let with_tenants =
            r#"{"tenants": "t", "default_role": "viewer", "roles": "r", "role_of": {"b": "admin"}}"#;
        assert_eq!(claimed(with_tenants)[0], Vec::<String>::new());
    }

    #[test]
    fn nobody_is_made_an_owner_by_any_provider_and_nonsense_is_named() {
        let both = |field: &str| [vec![field.to_owned()], vec![field.to_owned()]];
        let owner = r#"{"tenants": "t", "roles": "r", "role_of": {"boss": "owner"}}"#;
        assert_eq!(claimed(owner)[0], ["claims.role_of"]);
        assert_eq!(claimed(r#"{"roles": "r", "role_of": {"boss": "owner"}}"#)[1], ["claims.role_of"]);
        assert_eq!(claimed(r#"{"default_role": "owner"}"#)[1], ["claims.default_role"]);
        assert_eq!(claimed(r#"{"tenants": "t", "default_role": "owner"}"#)[0], ["claims.default_role"]);
        assert_eq!(claimed(r#"{"role_of": {"boss": "admin"}}"#), both("claims.role_of"));
        assert_eq!(claimed(r#"{"roles": "r"}"#)[1], ["claims.role_of"]);
        assert_eq!(claimed(r#"{"email": ""}"#), both("claims.email"));
        assert_eq!(claimed(r#"{"name": "a\u0000b"}"#), both("claims.name"));
        assert_eq!(wrong(|draft| draft.scopes = "email".to_owned()), both("scopes"));
        assert_eq!(wrong(|draft| draft.scopes = "openid \"x\"".to_owned()), both("scopes"));
        assert_eq!(wrong(|draft| draft.client_id = String::new()), both("client_id"));
        assert_eq!(wrong(|draft| draft.title = "\n".to_owned()), both("title"));
        assert_eq!(wrong(|draft| draft.issuer = "login.example.com".to_owned()), both("issuer"));
        let own = |draft: &mut Draft| draft.bearer_audience = Some(draft.client_id.clone());
        assert_eq!(wrong(own), both("bearer_audience"));
        for bad in ["", "a\nb", &"x".repeat(2000)] {
            assert!(secret(&SecretString::from(bad)).is_err(), "{bad:?}");
        }
        assert_eq!(checked(draft(), None).expect("right").scopes, "openid email");
    }

    #[test]
    fn an_audience_of_a_tenants_is_the_tenants_own() {
        let (tenant, other) = (TenantId::random(), TenantId::random());
        let of = |id: TenantId| format!("api://entra/{id}");
        assert!(audience(&of(tenant), "freehold", Some(tenant)).is_ok());
        let refused = audience(&of(other), "freehold", Some(tenant)).expect_err("another's");
        assert!(refused.contains(&tenant.to_string()), "{refused}");
        assert!(audience(&of(tenant), &of(tenant), Some(tenant)).is_err(), "the client id");
        assert!(audience(&of(tenant), "freehold", None).is_ok());
    }
}
