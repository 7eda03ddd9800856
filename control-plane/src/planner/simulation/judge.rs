//! Whether a case ended well.

use super::*;

impl World {
    /// Everything is as it should be, and nothing else is there.
    pub(super) fn converged(&self) -> &'static str {
        let running: Vec<_> = self.containers.iter().filter(|c| c.state == ContainerState::Running).collect();
        match self.desired.state {
            DesiredState::Running => {
                assert_eq!(self.networks.len(), 1, "one network");
                assert_eq!(
                    self.containers.len(),
                    self.desired.services.len(),
                    "a container for each service"
                );
                for (name, wanted) in &self.desired.services {
                    let container = running
                        .iter()
                        .find(|container| container.service == *name)
                        .expect("a running container");
                    assert_eq!(container.hash, wanted.hash);
                    assert_eq!(container.limits, wanted.limits);
                    assert!(container.secrets && container.well);
                    assert_eq!(container.network.as_ref(), self.networks.first());
                    if let Some(volume) = &wanted.volume {
                        assert!(self.volumes.contains(&volume.name));
                    }
                    if *name == self.desired.web {
                        for host in &self.desired.hosts {
                            assert_eq!(self.routes.get(host.as_str()), Some(&address_of(&container.id)));
                        }
                    }
                }
                assert_eq!(self.routes.len(), self.desired.hosts.len(), "no stale route");
                assert_eq!(self.real.schema, Some(self.desired.schema));
                assert_eq!(self.real.read_only, self.desired.read_only);
                assert_eq!(self.real.connections, Some(self.desired.connections));
            }
            DesiredState::Asleep | DesiredState::Suspended => {
                assert!(running.is_empty() && self.routes.is_empty(), "nothing runs or is routed");
            }
            DesiredState::Deleted => {
                assert!(self.containers.is_empty() && self.networks.is_empty() && self.routes.is_empty());
                assert!(self.volumes.is_disjoint(&self.desired.droppable), "what may go is gone");
            }
        }
        if self.desired.droppable.is_empty() {
            for wanted in self.desired.services.values() {
                let made =
                    wanted.volume.as_ref().filter(|volume| volume.made && !self.lost.contains(&volume.name));
                assert!(
                    made.is_none_or(|volume| self.volumes.contains(&volume.name)),
                    "a volume was dropped"
                );
            }
        }
        self.desired.state.as_str()
    }

    pub(super) fn blocked(&self, blocked: &Blocked) -> &'static str {
        match blocked {
            Blocked::VolumeLost(name) => assert!(self.lost.contains(name), "{name} is not lost"),
            Blocked::SchemaAhead { database, release } => {
                assert_eq!((self.recorded.schema, self.desired.schema), (Some(*database), *release));
                assert!(database > release);
            }
        }
        "blocked"
    }

    pub(super) fn uses(&self, container: &Container, volume: &str) -> bool {
        self.volume_of(&container.service).as_deref() == Some(volume)
    }

    /// Ids of our own begin with `c`: a step about anything else would touch a neighbour.
    pub(super) fn own(&self, id: &str) {
        assert!(id.starts_with('c'), "touched {id}, which is not ours");
    }
}
