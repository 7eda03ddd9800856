//! `freehold doctor`.

use super::{Error, Session};
use crate::platform::Platform;
use crate::platform::checks::{Finding, Outcome};

pub(super) async fn run(session: Session) -> Result<(), Error> {
    let platform = match Platform::open(session.config.clone()) {
        // Before the first `up`, a host can be checked as well.
        Err(crate::platform::Error::NotInstalled(_)) => Platform::unborn(session.config.clone())?,
        other => other?,
    };
    let findings = platform.doctor().await;
    if session.global.json {
        println!("{}", serde_json::to_string(&findings).map_err(|error| Error::failed(error.to_string()))?);
    } else {
        findings.iter().for_each(print);
    }
    match findings.iter().filter(|finding| finding.is_problem()).count() {
        0 => Ok(()),
        1 => Err(Error::failed("1 problem")),
        count => Err(Error::failed(format!("{count} problems"))),
    }
}

fn print(finding: &Finding) {
    let (mark, detail, remedy) = match &finding.outcome {
        Outcome::Fine { detail } => ("✓", detail, None),
        Outcome::Warning { detail, remedy } => ("!", detail, Some(remedy)),
        Outcome::Problem { detail, remedy } => ("✗", detail, Some(remedy)),
    };
    println!("{mark} {:<10} {detail}", finding.check);
    if let Some(remedy) = remedy {
        println!("    {remedy}");
    }
}
