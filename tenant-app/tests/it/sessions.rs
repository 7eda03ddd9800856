//! Sessions as they are kept: what has ended stays ended, also while storage is used up.

use chrono::Utc;
use tenant_app::database::Database;
use tenant_app::people::person::{Person, Statement};
use tenant_app::people::seal::Seal;
use tenant_app::people::sessions::{Secrets, SessionId, Sessions};

use crate::support::{Postgres, until};

fn sessions(database: &Database) -> Sessions {
    Sessions::new(database.pool().clone(), Seal::new(&"a key".to_owned().into()))
}

async fn begun(sessions: &Sessions) -> SessionId {
    let person = Person { subject: "user-1".to_owned(), ..Person::default() };
    let statement = Statement { person, sid: "session-1".to_owned(), until: Utc::now() };
    let secrets = Secrets {
        access_token: "access".to_owned().into(),
        refresh_token: None,
        id_token: "id".to_owned().into(),
    };
    Sessions::id_of(&sessions.begin(statement, secrets).await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_stays_ended() {
    let server = Postgres::migrated().await;
    let database = Database::new(&server.url().into(), 2, "test").unwrap();
    let (here, there) = (sessions(&database), sessions(&database));

    // Signed out by one request while another still works with it, in this process or the next.
    for by in [&here, &there] {
        let id = begun(&here).await;
        let found = here.find(&id).await.unwrap().expect("it has begun");
        by.end(&id).await.unwrap();
        here.keep(&found).await.unwrap();
        assert!(here.find(&id).await.unwrap().is_none(), "it came back");
    }

    let (used, idle, left, kept) =
        (begun(&here).await, begun(&here).await, begun(&here).await, begun(&here).await);
    server.is_full().await;
    // The same while nothing can be written: of one with a row and of one without.
    let unsaved = begun(&here).await;
    for id in [left, unsaved] {
        let found = here.find(&id).await.unwrap().expect("it has begun");
        here.keep(&found).await.unwrap();
        assert!(here.find(&id).await.unwrap().is_some(), "it goes on");
        here.end(&id).await.unwrap();
        here.keep(&found).await.unwrap();
        assert!(here.find(&id).await.unwrap().is_none(), "it came back");
    }
    // Ended by the next process of the app, it is nobody's here either.
    let mut found = here.find(&kept).await.unwrap().expect("it has begun");
    found.used_at = Utc::now();
    here.keep(&found).await.unwrap();
    there.end(&kept).await.unwrap();
    assert!(here.find(&kept).await.unwrap().is_none(), "it came back");

    // What is used has its ends, wherever it is kept.
    server
        .run(
            "UPDATE app.sessions SET ends_at = now() + interval '3 seconds' WHERE ends_at = (SELECT min(ends_at) FROM app.sessions); \
             UPDATE app.sessions SET used_at = now() - interval '11:59:57' WHERE ends_at = (SELECT max(ends_at) FROM app.sessions)",
        )
        .await;
    for id in [used, idle] {
        let found = here.find(&id).await.unwrap().expect("it has not ended yet");
        here.keep(&found).await.unwrap();
    }
    for (id, end) in [(used, "seven days"), (idle, "twelve hours without use")] {
        until(end, async || here.find(&id).await.unwrap().is_none().then_some(())).await;
    }

    // One that began while storage was used up becomes a row when there is room.
    let unsaved = begun(&here).await;
    server.has_room().await;
    assert!(there.find(&unsaved).await.unwrap().is_none());
    here.keep(&here.find(&unsaved).await.unwrap().expect("it goes on")).await.unwrap();
    assert!(there.find(&unsaved).await.unwrap().is_some());
    database.close().await;
}
