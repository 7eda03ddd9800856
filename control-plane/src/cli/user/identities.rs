//! `freehold user identities` and `freehold user unlink`.

use serde_json::Value;
use uuid::Uuid;

use super::path;
use crate::cli::client::{Call, Client, read};
use crate::cli::{Error, Session, output, table};
use crate::http::v1::types::Page;
use crate::http::v1::types::people::Identity;

pub(super) async fn show(session: &Session, client: &Client<'_>, user: &str) -> Result<(), Error> {
    let answer = client.send(Call::get(format!("{}/identities", path(user)))).await?;
    let page: Page<Identity> = read(answer)?;
    if session.global.json {
        return output::json(&page.items);
    }
    let mut rows = table::new(&["PROVIDER", "TITLE", "TENANT", "ADDRESS THERE", "LAST USED", "ID"]);
    for one in page.items {
        rows.add_row([
            one.name,
            output::plain(&one.title),
            one.tenant_id.map(|tenant| tenant.to_string()).unwrap_or_default(),
            one.email.as_deref().map(output::plain).unwrap_or_default(),
            output::time(one.last_used_at),
            one.provider_id.to_string(),
        ]);
    }
    table::print(&rows);
    Ok(())
}

pub(super) async fn unlink(
    session: &Session,
    client: &Client<'_>,
    user: &str,
    provider: &Uuid,
) -> Result<(), Error> {
    client.send(Call::delete(format!("{}/identities/{provider}", path(user)))).await?;
    if session.global.json {
        return output::json(&Value::Null);
    }
    println!("the provider knows {user} no more; the sessions that came by it have ended");
    println!("whoever has no password sets one by 'I forgot my password', which is mailed to them");
    Ok(())
}
