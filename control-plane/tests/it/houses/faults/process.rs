//! Processes that die without anybody having asked for it.

use super::super::objects::docker;

/// Kills a container's first process from outside, as a crash does. The engine did not do it, so it takes it for one.
pub fn crash(container: &str) {
    let seen = docker(&["inspect", "-f", "{{.State.Pid}} {{.Image}}", container]);
    let (pid, image) = seen.split_once(' ').expect("a process and an image");
    let kill = format!("kill -9 {pid}");
    let helper = ["run", "--rm", "--pid", "host", "--network", "none", "--user", "0", "--entrypoint", "sh"];
    docker(&[&helper[..], &[image, "-c", &kill]].concat());
}
