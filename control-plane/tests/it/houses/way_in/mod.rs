//! The way in, through a whole installation: from a visitor's bytes by the edge, and by the gateway, to a real app
//! that writes down what it gets.

mod answers;
mod app;
mod requests;
mod visits;

use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::json;

use super::installation::Installation;
use super::objects::docker;
use super::tenants::Admin;
use crate::support::visitor::{Answer, Visitor};
use requests::Case;
use visits::Visits;

#[tokio::test]
async fn every_request_gets_to_the_tenant_of_its_host_and_to_nobody_else() {
    let stack = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stacks/raw.yaml");
    let installation = Installation::up_with(&format!("stack: {{ file: {} }}", stack.display()));
    let admin = Admin::of(&installation);
    tokio::join!(admin.create("acme"), admin.create("globex"));

    // straight from the edge to the app
    let mut direct = Visits::new(&installation, 1);
    for case in requests::all() {
        direct.request(&case).await;
    }
    for case in answers::ALL {
        direct.answer(case, case.direct).await;
    }
    direct.tunnel().await;
    direct.compare();

    // by way of the gateway: no tenant has a live route, and nobody sets one again
    let worker = installation.platform_containers("worker").remove(0);
    docker(&["stop", "-t", "20", &worker]);
    withdraw_all(&installation);
    let mut held = Visits::new(&installation, 2);
    for case in requests::all() {
        held.request(&case).await;
    }
    for case in answers::ALL {
        held.answer(case, case.held).await;
    }
    held.tunnel().await;
    held.compare();
    docker(&["start", &worker]);

    // a tenant that sleeps is woken by such a request, and by nothing that hides in it
    admin.verb("acme", "sleep", "asleep").await;
    let mut woken = Visits::new(&installation, 3);
    woken.request(&Case::that_wakes()).await;
    woken.compare();

    sign_ins_are_counted_by_connection(&installation).await;
}

/// Takes every live route away, over the edge's own door.
fn withdraw_all(installation: &Installation) {
    let edge = installation.platform_containers("edge").remove(0);
    let script = r#"
        my $door = IO::Socket::UNIX->new("/var/lib/freehold/run/edge/door.sock") or die $!;
        print $door "PUT /all HTTP/1.0\r\nContent-Length: 13\r\n\r\n{\"routes\":[]}";
        local $/; print <$door>;"#;
    let answer = docker(&["exec", &edge, "perl", "-MIO::Socket::UNIX", "-e", script]);
    assert!(answer.contains("{\"total\":0}"), "{answer}");
}

/// Whoever tries passwords is known by the address of the connection, whatever the request says.
async fn sign_ins_are_counted_by_connection(installation: &Installation) {
    let password = std::fs::read_to_string(installation.path("secrets/admin_password")).expect("a password");
    let attempt = async |source: u8, claimed: &str, password: &str| -> Answer {
        let address = (Ipv4Addr::LOCALHOST, installation.port).into();
        let mut visitor = Visitor::from(Ipv4Addr::new(127, 0, 0, source), address).await;
        let body = json!({"email": "admin@freehold.localhost", "password": password}).to_string();
        visitor
            .send(format!(
                "POST /api/v1/admin/sessions HTTP/1.1\r\nHost: admin.{}\r\nContent-Type: application/json\r\n\
                 X-Forwarded-For: {claimed}\r\nX-Real-IP: {claimed}\r\nForwarded: for={claimed}\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                installation.domain,
                body.len()
            ))
            .await;
        visitor.answer().await
    };
    assert_eq!(attempt(22, "192.0.2.9", password.trim()).await.status, 201);
    for n in 1..=5 {
        assert_eq!(attempt(21, &format!("192.0.2.{n}"), "whatever it was").await.status, 401);
    }
    assert_eq!(
        attempt(21, "192.0.2.6", "whatever it was").await.status,
        429,
        "another name is no other visitor"
    );
    assert_eq!(
        attempt(22, "127.0.0.21", password.trim()).await.status,
        201,
        "nobody is locked out where they signed in before, by a name or by others"
    );
}
