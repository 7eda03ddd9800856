//! `doctor`: every check there is, each finding with what to do about it.

use super::checks::{self, Finding};
use super::services::Service;
use super::{Platform, network, probe};
use crate::engine::names;
use crate::model::observed::ContainerState;

const UP: &str = "run `freehold up`: it repairs what is not as it should be";

impl Platform {
    /// Checks the host, and the platform as far as it was brought up.
    pub async fn doctor(&self) -> Vec<Finding> {
        let mut findings = checks::run(&self.config, &self.id, self.engine.as_ref()).await;
        let engine = findings.iter().any(|finding| finding.check == "engine" && finding.is_problem());
        if engine || !self.home.installation().exists() {
            return findings;
        }
        for service in Service::ALL {
            findings.push(self.check_service(*service).await);
        }
        findings.push(self.check_firewall().await);
        findings.push(self.check_answer().await);
        findings.extend(self.check_copies().await);
        findings
    }

    async fn check_service(&self, service: Service) -> Finding {
        let containers = match self.containers_of(service).await {
            Ok(containers) => containers,
            Err(error) => return Finding::problem(service.as_str(), error.to_string(), UP),
        };
        if !containers.iter().any(|container| container.state == ContainerState::Running) {
            let detail = match containers.first() {
                Some(container) => format!("{} does not run: {}", container.name, container.status),
                None => "has no container".to_owned(),
            };
            return Finding::problem(service.as_str(), detail, UP);
        }
        match self.answers(service, None).await {
            Ok(()) => Finding::fine(service.as_str(), "runs and answers"),
            Err(reason) => {
                let name = containers.first().map(|container| container.name.clone()).unwrap_or_default();
                Finding::problem(service.as_str(), reason, format!("look at `docker logs {name}`, then {UP}"))
            }
        }
    }

    async fn check_firewall(&self) -> Finding {
        const KERNEL: &str =
            "the kernel needs nf_tables with inet tables (`modprobe nf_tables nft_fib_inet`)";
        let image = match self.helper_image().await {
            Ok(Some(image)) => image,
            Ok(None) => return Finding::warning("firewall", "cannot be looked at before the first `up`", UP),
            Err(error) => return Finding::problem("firewall", error.to_string(), UP),
        };
        let firewall = self.firewall(&image);
        match firewall.in_force().await {
            Ok(true) => Finding::fine("firewall", "in force"),
            Ok(false) => match firewall.usable().await {
                Ok(()) => Finding::problem("firewall", "the table is not in force", UP),
                Err(error) => Finding::problem("firewall", error.to_string(), KERNEL),
            },
            Err(error) => Finding::problem("firewall", error.to_string(), KERNEL),
        }
    }

    async fn check_answer(&self) -> Finding {
        let url = self.config.public_url();
        match probe::tcp(network::public_address(&self.config), self.config.domain.as_str(), "/healthz").await
        {
            Ok(status) if status.is_success() => Finding::fine("answer", format!("{url} answers")),
            Ok(status) => Finding::problem("answer", format!("{url}/healthz answers {status}"), UP),
            Err(reason) => Finding::problem("answer", reason, UP),
        }
    }

    /// Things an interrupted `up` may leave: harmless, and worth a word.
    async fn check_copies(&self) -> Option<Finding> {
        let mut doubled = Vec::new();
        for service in Service::ALL {
            let labels = names::platform_labels(&self.id, service.as_str());
            if self.engine.containers(&labels).await.is_ok_and(|containers| containers.len() > 1) {
                doubled.push(service.as_str());
            }
        }
        (!doubled.is_empty()).then(|| {
            Finding::warning("copies", format!("more than one container of {}", doubled.join(", ")), UP)
        })
    }
}
