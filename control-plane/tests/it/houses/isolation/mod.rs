//! From inside a tenant's containers, with a shell and every tool of their images, and then with the capabilities that
//! only somebody has who broke out of them: what must not be reached, taken or exceeded is not.

mod api;
mod database;
mod inside;
mod limits;
mod listening;
mod network;
pub mod stand_ins;
mod wire;

use hyper::StatusCode;
use ipnet::Ipv4Net;

use super::installation::Installation;
use super::objects::{containers, docker, house_of};
use super::tenants::Admin;

/// A tenant's two containers and where they are.
struct House {
    slug: String,
    app: String,
    db: String,
    app_address: String,
    db_address: String,
    /// The host's address in its network, and its interface there.
    gateway: String,
    bridge: String,
    network: String,
    subnet: Ipv4Net,
    /// The image of its app, which has Perl, as every Debian has.
    image: String,
}

impl House {
    fn of(installation: &Installation, slug: &str) -> Self {
        let id = house_of(installation, slug);
        let [app, db] = ["app", "db"].map(|service| containers(installation, &id, service).remove(0));
        let of_network = |name: &str, what: &str| {
            let format = format!("{{{{range .NetworkSettings.Networks}}}}{{{{.{what}}}}}{{{{end}}}}");
            docker(&["inspect", "-f", &format, name])
        };
        let network = docker(&[
            "inspect",
            "-f",
            "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}",
            &app,
        ]);
        let subnet = docker(&["network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", &network]);
        Self {
            subnet: subnet.parse().expect("a subnet"),
            network,
            slug: slug.to_owned(),
            app_address: of_network(&app, "IPAddress"),
            db_address: of_network(&db, "IPAddress"),
            gateway: of_network(&app, "Gateway"),
            bridge: format!("fh{}-{}", installation.id, &id[..6]),
            image: docker(&["inspect", "-f", "{{.Image}}", &app]),
            app,
            db,
        }
    }
}

#[tokio::test]
async fn tenants_and_the_api_reach_what_they_must_and_nothing_else() {
    let installation = Installation::up();
    let admin = Admin::of(&installation);
    tokio::join!(admin.create("acme"), admin.create("globex"));
    let (acme, globex) = (House::of(&installation, "acme"), House::of(&installation, "globex"));
    network::check(&installation, &acme, &globex).await;
    listening::check(&installation);
    wire::check(&installation, &acme, &globex).await;
    api::check(&installation, &acme);
    // all of it is still in order for the people outside
    for house in [&acme, &globex] {
        let page = admin.visit(&house.slug, "/").await;
        assert!(page.status == StatusCode::OK && page.body.contains(&house.slug), "{page:?}");
    }
}

#[tokio::test]
async fn a_container_has_no_more_than_its_plan_and_an_app_no_more_than_its_rows() {
    let installation = Installation::up();
    let admin = Admin::of(&installation);
    tokio::join!(admin.create("acme"), admin.create("globex"));
    let (acme, globex) = (House::of(&installation, "acme"), House::of(&installation, "globex"));
    limits::check(&admin, &acme, &globex).await;
    database::check(&acme, &globex);
}
