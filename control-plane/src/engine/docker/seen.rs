//! What Docker lists, in our types.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::time::Duration;

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary, ContainerSummaryStateEnum,
    EndpointSettings, EventMessage, EventMessageTypeEnum, HostConfig, Network, SystemInfo, SystemVersion,
};

use crate::engine::names::{self, Labels};
use crate::engine::{Attachment, ContainerInfo, EngineEvent, EngineInfo, EventKind, Inspection, NetworkInfo};
use crate::model::ids::InstallationId;
use crate::model::observed::ContainerState;
use crate::model::plan::Limits;

/// What Docker gives a container that was made without a time for stopping.
const STOP_GRACE: Duration = Duration::from_secs(10);

pub(super) fn labels(labels: Option<HashMap<String, String>>) -> Labels {
    labels.unwrap_or_default().into_iter().collect()
}

pub(super) fn engine(version: SystemVersion, info: SystemInfo) -> EngineInfo {
    let enforces = [info.memory_limit, info.pids_limit, info.cpu_cfs_quota];
    EngineInfo {
        version: version.version.unwrap_or_default(),
        api_version: version.api_version.unwrap_or_default(),
        cgroup_version: info.cgroup_version.map(|version| version.to_string()).unwrap_or_default(),
        architecture: info.architecture.unwrap_or_default(),
        cpus: info.ncpu.and_then(|cpus| u32::try_from(cpus).ok()).unwrap_or_default(),
        memory_bytes: info.mem_total.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default(),
        data_directory: info.docker_root_dir.unwrap_or_default(),
        enforces_limits: enforces.iter().all(|limit| limit.unwrap_or(false)),
    }
}

pub(super) fn network(network: Network) -> NetworkInfo {
    let blocks = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    NetworkInfo {
        id: network.id.unwrap_or_default(),
        name: network.name.unwrap_or_default(),
        labels: labels(network.labels),
        subnet: blocks.into_iter().find_map(|block| block.subnet?.parse().ok()),
    }
}

pub(super) fn container(summary: ContainerSummary) -> ContainerInfo {
    let networks = summary.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let name = summary.names.unwrap_or_default().into_iter().next().unwrap_or_default();
    ContainerInfo {
        id: summary.id.unwrap_or_default(),
        name: name.trim_start_matches('/').to_owned(),
        labels: labels(summary.labels),
        state: match summary.state {
            Some(ContainerSummaryStateEnum::CREATED) => ContainerState::Created,
            Some(ContainerSummaryStateEnum::RUNNING) => ContainerState::Running,
            Some(ContainerSummaryStateEnum::EXITED) => ContainerState::Exited,
            _ => ContainerState::Broken,
        },
        image_id: summary.image_id.unwrap_or_default(),
        networks: networks.into_iter().map(|(name, endpoint)| (name, attachment(&endpoint))).collect(),
        created: summary.created.unwrap_or_default(),
        status: summary.status.unwrap_or_default(),
    }
}

fn attachment(endpoint: &EndpointSettings) -> Attachment {
    Attachment { network_id: endpoint.network_id.clone().unwrap_or_default(), address: address(endpoint) }
}

fn address(endpoint: &EndpointSettings) -> Option<Ipv4Addr> {
    endpoint.ip_address.as_deref()?.parse().ok()
}

pub(super) fn inspection(seen: ContainerInspectResponse) -> Inspection {
    let state = seen.state.unwrap_or_default();
    let networks = seen.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let addresses: BTreeMap<_, _> =
        networks.iter().filter_map(|(name, endpoint)| Some((name.clone(), address(endpoint)?))).collect();
    let config = seen.config.unwrap_or_default();
    let stop_timeout = config.stop_timeout.and_then(|seconds| u64::try_from(seconds).ok());
    let never = |time: &String| time.starts_with("0001-");
    Inspection {
        id: seen.id.unwrap_or_default(),
        name: seen.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        labels: labels(config.labels),
        image_id: seen.image.unwrap_or_default(),
        state: match state.status {
            Some(ContainerStateStatusEnum::CREATED) => ContainerState::Created,
            Some(ContainerStateStatusEnum::RUNNING) => ContainerState::Running,
            Some(ContainerStateStatusEnum::EXITED) => ContainerState::Exited,
            _ => ContainerState::Broken,
        },
        exit_code: state.exit_code.unwrap_or_default(),
        oom_killed: state.oom_killed.unwrap_or_default(),
        started_at: state.started_at.filter(|time| !never(time)).unwrap_or_default(),
        error: state.error.unwrap_or_default(),
        addresses,
        limits: limits(&seen.host_config.unwrap_or_default()),
        stop_grace: stop_timeout.map_or(STOP_GRACE, Duration::from_secs),
    }
}

fn limits(host: &HostConfig) -> Limits {
    let part = |value: Option<i64>, unit: i64| {
        u32::try_from(value.unwrap_or_default().max(0) / unit).unwrap_or(u32::MAX)
    };
    Limits {
        memory_mib: part(host.memory, 1 << 20),
        cpu_millis: part(host.nano_cpus, 1_000_000),
        pids: part(host.pids_limit, 1),
    }
}

/// The event, when it is about an object of this installation. Docker's events about networks carry no labels;
/// names of ours begin with the installation.
pub(super) fn event(event: EventMessage, installation: &InstallationId) -> Option<EngineEvent> {
    let kind = match event.typ? {
        EventMessageTypeEnum::CONTAINER => EventKind::Container,
        EventMessageTypeEnum::NETWORK => EventKind::Network,
        EventMessageTypeEnum::VOLUME => EventKind::Volume,
        _ => return None,
    };
    let actor = event.actor?;
    let id = actor.id.unwrap_or_default();
    let attributes = actor.attributes.unwrap_or_default();
    let name = attributes.get("name").unwrap_or(&id);
    let rest = name.strip_prefix(&format!("fh-{installation}-"));
    let ours = attributes.get(names::INSTALLATION).map(String::as_str) == Some(installation.as_str());
    if !ours && rest.is_none() {
        return None;
    }
    let labelled = attributes.get(names::HOUSE).cloned();
    let named = rest.and_then(|rest| rest.split('-').next()).filter(|part| part.len() == 10);
    Some(EngineEvent {
        kind,
        house: labelled.or_else(|| named.map(str::to_owned)),
        action: event.action.unwrap_or_default(),
        id,
    })
}

#[cfg(test)]
mod tests {
    use bollard::models::EventActor;

    use super::*;

    fn message(attributes: &[(&str, &str)]) -> EventMessage {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        EventMessage {
            typ: Some(EventMessageTypeEnum::NETWORK),
            action: Some("disconnect".into()),
            actor: Some(EventActor {
                id: Some("id".into()),
                attributes: Some(attributes.iter().map(pair).collect()),
            }),
            ..EventMessage::default()
        }
    }

    #[test]
    fn events_of_others_are_not_ours() {
        let installation: InstallationId = "abcdef".parse().expect("id");
        let seen = event(message(&[("name", "fh-abcdef-houseabcde")]), &installation).expect("ours");
        assert_eq!(seen.house.as_deref(), Some("houseabcde"));
        assert_eq!(event(message(&[("name", "fh-abcdeg-houseabcde")]), &installation), None);
        assert_eq!(event(message(&[("name", "bridge")]), &installation), None);
        let labels = [("name", "x"), (names::INSTALLATION, "abcdef"), (names::HOUSE, "h")];
        assert_eq!(event(message(&labels), &installation).expect("ours").house.as_deref(), Some("h"));
    }
}
