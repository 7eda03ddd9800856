//! `freehold status`.

use super::{Error, Exit, Session, table};
use crate::platform::{Platform, Status};

pub(super) async fn run(session: Session) -> Result<(), Error> {
    let platform = Platform::open(session.config.clone())?;
    let status = platform.status().await;
    if session.global.json {
        println!("{}", serde_json::to_string(&status).map_err(|error| Error::failed(error.to_string()))?);
    } else {
        print(&status);
    }
    if status.answers {
        Ok(())
    } else {
        Err(Error::new(Exit::Failed, "the platform does not answer")
            .advise("`freehold doctor` says what is wrong and what to do"))
    }
}

fn print(status: &Status) {
    println!("installation  {}  in {}", status.installation, status.home);
    println!("version       {}", status.version);
    println!("engine        {}", status.engine);
    println!("edge          {}", status.edge);
    println!(
        "release       {}",
        status.release.as_deref().unwrap_or("unknown: the registry does not answer")
    );
    println!();
    let mut services = table::new(&["SERVICE", "STATUS", "IMAGE", "CONTAINER"]);
    for service in &status.services {
        let container = service.container.clone().unwrap_or_default();
        services.add_row([service.service.clone(), service.status.clone(), service.image.clone(), container]);
    }
    table::print(&services);
    println!();
    match &status.tenants {
        None => println!("tenants: unknown, the registry does not answer"),
        Some(counts) if counts.is_empty() => println!("tenants: none yet"),
        Some(counts) => {
            let mut tenants = table::new(&["TENANTS", "COUNT"]);
            for (word, count) in counts {
                tenants.add_row([word.clone(), count.to_string()]);
            }
            table::print(&tenants);
        }
    }
    match status.house_containers {
        Some(count) => println!("containers of houses running: {count}"),
        None => println!("containers of houses running: unknown, the engine does not answer"),
    }
}
