//! Somebody who signs in to a tenant's app as people do: over the platform and back, page by page.

use std::collections::BTreeMap;

use hyper::{Method, StatusCode, Uri};

use super::installation::Installation;
use super::visitor::{self, Answer};

/// Who signs in everywhere in these tests.
pub const EMAIL: &str = "guest@example.com";
const PASSWORD: &str = "correct horse battery staple";

type Jar = BTreeMap<String, String>;

/// Makes the user, unless there is one.
pub fn invite(installation: &Installation) -> Result<(), String> {
    let file = installation.path("guest.password");
    std::fs::write(&file, PASSWORD).map_err(|error| error.to_string())?;
    if !installation.try_run(&["user", "show", EMAIL]).status.success() {
        let file = file.display().to_string();
        succeeded(installation, &["user", "create", EMAIL, "--name", "A guest", "--password-file", &file])?;
    }
    Ok(())
}

/// Makes them an owner of the tenant, unless they are a member.
pub fn let_in(installation: &Installation, slug: &str) -> Result<(), String> {
    if installation.try_run(&["member", "show", slug, EMAIL]).status.success() {
        return Ok(());
    }
    succeeded(installation, &["member", "add", slug, EMAIL, "--role", "owner"])
}

fn succeeded(installation: &Installation, arguments: &[&str]) -> Result<(), String> {
    let output = installation.try_run(arguments);
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Signs in, and gives the cookies that the app's session is known by.
pub async fn sign_in(installation: &Installation, host: &str) -> Result<String, String> {
    let (mut at_app, mut at_platform) = (Jar::new(), Jar::new());
    let domain = installation.domain.as_str();
    let authorize = leads_to(&open(installation, host, "/auth/sign-in", &mut at_app).await?)?;
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("email", EMAIL), ("password", PASSWORD), ("to", &authorize)])
        .finish();
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
    let signed_in =
        ask(installation, Method::POST, domain, "/sign-in", &headers, form, &mut at_platform).await?;
    leads_to(&signed_in)?;
    let back = leads_to(&open(installation, domain, &authorize, &mut at_platform).await?)?;
    leads_to(&open(installation, host, &back, &mut at_app).await?)?;
    Ok(held(&at_app))
}

async fn open(installation: &Installation, host: &str, path: &str, jar: &mut Jar) -> Result<Answer, String> {
    ask(installation, Method::GET, host, path, &[], String::new(), jar).await
}

async fn ask(
    installation: &Installation,
    method: Method,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
    jar: &mut Jar,
) -> Result<Answer, String> {
    let cookie = held(jar);
    let mut all = vec![("accept", "text/html"), ("cookie", cookie.as_str())];
    all.extend(headers);
    let answer = visitor::send(installation.port, method, host, path, &all, body).await?;
    for set in answer.headers.get_all("set-cookie") {
        let set = set.to_str().map_err(|error| error.to_string())?;
        let (name, value) = set.split(';').next().and_then(|pair| pair.split_once('=')).ok_or("no cookie")?;
        if set.contains("Max-Age=0") {
            jar.remove(name);
        } else {
            jar.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(answer)
}

fn held(jar: &Jar) -> String {
    jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
}

/// Path and query of where an answer leads to.
fn leads_to(answer: &Answer) -> Result<String, String> {
    let to = answer.headers.get("location").and_then(|to| to.to_str().ok());
    let to: Uri = match (answer.status, to) {
        (StatusCode::SEE_OTHER | StatusCode::FOUND, Some(to)) => to.parse().map_err(|_| "no address")?,
        _ => return Err(format!("leads nowhere: {answer:?}")),
    };
    Ok(to.path_and_query().map_or("/", |place| place.as_str()).to_owned())
}
