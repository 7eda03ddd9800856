//! What we ask Docker for, in its types.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, ContainerUpdateBody, EndpointSettings, HostConfig, HostConfigLogConfig, Ipam,
    IpamConfig, Mount as DockerMount, MountType, MountVolumeOptions, NetworkCreateRequest, NetworkingConfig,
    RestartPolicy, RestartPolicyNameEnum,
};

use crate::engine::names::{self, Labels};
use crate::engine::{Capability, ContainerSpec, Mount, NetworkMode, NetworkSpec, Restart};
use crate::model::plan::Limits;

/// Where secrets are found.
pub(super) const SECRETS: &str = "/run/secrets";

/// Each container keeps at most this much of what it wrote.
const LOG_SIZE: &str = "10m";
const LOG_FILES: &str = "2";

/// A filter of a list call: objects with all of these labels.
pub(super) fn filter(labels: &Labels) -> HashMap<String, Vec<String>> {
    let pairs = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    HashMap::from([("label".to_owned(), pairs)])
}

pub(super) fn map(labels: &Labels) -> HashMap<String, String> {
    labels.clone().into_iter().collect()
}

pub(super) fn network(spec: &NetworkSpec, labels: &Labels, mtu: Option<&str>) -> NetworkCreateRequest {
    let mut options = HashMap::from([
        ("com.docker.network.bridge.name".to_owned(), spec.bridge.clone()),
        ("com.docker.network.bridge.enable_icc".to_owned(), "true".to_owned()),
        ("com.docker.network.bridge.enable_ip_masquerade".to_owned(), "true".to_owned()),
    ]);
    if let Some(mtu) = mtu {
        options.insert(MTU.to_owned(), mtu.to_owned());
    }
    NetworkCreateRequest {
        name: spec.name.clone(),
        driver: Some("bridge".to_owned()),
        internal: Some(spec.internal),
        ipam: Some(Ipam {
            config: Some(vec![IpamConfig {
                subnet: Some(spec.subnet.to_string()),
                gateway: Some(spec.gateway.to_string()),
                ..IpamConfig::default()
            }]),
            ..Ipam::default()
        }),
        options: Some(options),
        labels: Some(map(labels)),
        ..NetworkCreateRequest::default()
    }
}

/// The option of a bridge that holds its largest packet. Docker gives the machine's only to its default bridge.
pub(super) const MTU: &str = "com.docker.network.driver.mtu";

/// `user` is whom the container runs as, where that is known by number.
pub(super) fn container(
    spec: &ContainerSpec,
    labels: &Labels,
    user: Option<(u64, u64)>,
) -> ContainerCreateBody {
    let endpoints = match &spec.network {
        NetworkMode::Network { name, aliases } => {
            let endpoint = EndpointSettings { aliases: Some(aliases.clone()), ..EndpointSettings::default() };
            Some(NetworkingConfig { endpoints_config: Some(HashMap::from([(name.clone(), endpoint)])) })
        }
        NetworkMode::Host | NetworkMode::None => None,
    };
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        cmd: (!spec.command.is_empty()).then(|| spec.command.clone()),
        entrypoint: spec.entrypoint.clone(),
        env: Some(spec.environment.iter().map(|(key, value)| format!("{key}={value}")).collect()),
        user: spec.user.clone(),
        labels: Some(map(labels)),
        stop_signal: spec.stop_signal.clone(),
        stop_timeout: i64::try_from(spec.stop_grace.as_secs()).ok(),
        host_config: Some(host(spec, labels, user)),
        networking_config: endpoints,
        ..ContainerCreateBody::default()
    }
}

fn host(spec: &ContainerSpec, labels: &Labels, user: Option<(u64, u64)>) -> HostConfig {
    let mut mounts: Vec<DockerMount> = spec.mounts.iter().map(mount).collect();
    if !spec.files.is_empty() {
        mounts.push(secrets(spec, labels));
    }
    let limited = limits(spec.limits);
    HostConfig {
        network_mode: Some(match &spec.network {
            NetworkMode::Network { name, .. } => name.clone(),
            NetworkMode::Host => "host".to_owned(),
            NetworkMode::None => "none".to_owned(),
        }),
        extra_hosts: Some(spec.extra_hosts.iter().map(|(name, to)| format!("{name}:{to}")).collect()),
        mounts: Some(mounts),
        tmpfs: Some(spec.tmpfs.iter().map(|(path, mib)| (path.clone(), tmpfs(*mib, user))).collect()),
        readonly_rootfs: Some(spec.read_only),
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(spec.capabilities.iter().map(|capability| word(*capability).to_owned()).collect()),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        privileged: Some(false),
        group_add: Some(spec.groups.iter().map(ToString::to_string).collect()),
        memory: limited.memory,
        memory_swap: limited.memory_swap,
        nano_cpus: limited.nano_cpus,
        pids_limit: limited.pids_limit,
        shm_size: Some(i64::from(spec.shm_mib) << 20),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([
                ("max-size".to_owned(), LOG_SIZE.to_owned()),
                ("max-file".to_owned(), LOG_FILES.to_owned()),
            ])),
        }),
        restart_policy: Some(RestartPolicy {
            // Not "unless stopped": that one lets a service lie that died of a signal while the engine went down.
            name: Some(match spec.restart {
                Restart::No => RestartPolicyNameEnum::NO,
                Restart::Always => RestartPolicyNameEnum::ALWAYS,
            }),
            maximum_retry_count: None,
        }),
        ..HostConfig::default()
    }
}

fn word(capability: Capability) -> &'static str {
    match capability {
        Capability::NetAdmin => "NET_ADMIN",
    }
}

/// Owned by the container's user: over a folder that the image has, the mode asked for is not the one it gets.
fn tmpfs(mib: u32, user: Option<(u64, u64)>) -> String {
    let owner = user.map(|(uid, gid)| format!(",uid={uid},gid={gid}")).unwrap_or_default();
    format!("rw,noexec,nosuid,nodev,size={mib}m,mode=1777{owner}")
}

fn mount(mount: &Mount) -> DockerMount {
    match mount {
        Mount::Volume { name, target } => DockerMount {
            typ: Some(MountType::VOLUME),
            source: Some(name.clone()),
            target: Some(target.clone()),
            ..DockerMount::default()
        },
        Mount::Bind { source, target, read_only } => DockerMount {
            typ: Some(MountType::BIND),
            source: Some(source.to_string_lossy().into_owned()),
            target: Some(target.clone()),
            read_only: Some(*read_only),
            ..DockerMount::default()
        },
    }
}

/// A volume without a name of its own goes with its container. It carries no house, so that it is not taken for a
/// volume of the house.
fn secrets(spec: &ContainerSpec, labels: &Labels) -> DockerMount {
    let own: HashMap<String, String> = labels
        .iter()
        .filter(|(key, _)| *key == names::INSTALLATION)
        .map(|(key, value)| (key.clone(), value.clone()))
        .chain([(names::SECRETS.to_owned(), spec.name.clone())])
        .collect();
    DockerMount {
        typ: Some(MountType::VOLUME),
        target: Some(SECRETS.to_owned()),
        volume_options: Some(MountVolumeOptions {
            no_copy: Some(true),
            labels: Some(own),
            ..MountVolumeOptions::default()
        }),
        ..DockerMount::default()
    }
}

/// Limits as an update; swap is memory and swap together, so it is set with every change of memory.
pub(super) fn limits(limits: Option<Limits>) -> ContainerUpdateBody {
    let memory = limits.map(|limits| i64::from(limits.memory_mib) << 20);
    ContainerUpdateBody {
        memory,
        memory_swap: memory,
        nano_cpus: limits.map(|limits| i64::from(limits.cpu_millis) * 1_000_000),
        pids_limit: limits.map(|limits| i64::from(limits.pids)),
        ..ContainerUpdateBody::default()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::engine::SecretFile;

    #[test]
    fn every_container_is_closed_and_bounded() {
        let mut spec = ContainerSpec::new("name", "image");
        spec.limits = Some(Limits { memory_mib: 64, cpu_millis: 250, pids: 32 });
        spec.tmpfs.insert("/run/own".into(), 2);
        spec.files.push(SecretFile::new("key", SecretString::from("hush")));
        let labels = Labels::from([
            (names::INSTALLATION.to_owned(), "abcdef".to_owned()),
            (names::HOUSE.to_owned(), "houseabcde".to_owned()),
        ]);
        let body = container(&spec, &labels, Some((999, 0)));
        let text = format!("{body:?}");
        assert!(!text.contains("hush"), "a secret is no part of what is asked for");
        let host = body.host_config.expect("host");
        assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
        assert_eq!(host.cap_add, Some(vec![]));
        assert_eq!(host.security_opt, Some(vec!["no-new-privileges".to_owned()]));
        assert_eq!((host.memory, host.memory_swap), (Some(64 << 20), Some(64 << 20)));
        assert_eq!((host.nano_cpus, host.pids_limit), (Some(250_000_000), Some(32)));
        assert_eq!(host.network_mode.as_deref(), Some("none"));
        let tmpfs = &host.tmpfs.expect("tmpfs")["/run/own"];
        assert!(tmpfs.ends_with("size=2m,mode=1777,uid=999,gid=0"), "{tmpfs}");
        let secrets = &host.mounts.expect("mounts")[0];
        let own = secrets.volume_options.as_ref().and_then(|o| o.labels.as_ref()).expect("labels");
        assert_eq!(own.get(names::SECRETS).map(String::as_str), Some("name"));
        assert!(!own.contains_key(names::HOUSE) && secrets.source.is_none());
    }
}
