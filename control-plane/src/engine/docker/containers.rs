//! The life of one container.

use std::time::Duration;

use bollard::body_full;
use bollard::errors::Error as Failure;
use bollard::query_parameters::{
    CreateContainerOptions, DownloadFromContainerOptions, KillContainerOptions, LogsOptions,
    RemoveContainerOptions, StopContainerOptions, UploadToContainerOptions,
};
use futures_util::StreamExt;
use tokio::time;

use super::call::{CHANGE, READ, STOP_MARGIN, call, in_our_words};
use super::{Docker, asked, tarball};
use crate::engine::{ContainerSpec, Engine, Error, Result};
use crate::model::observed::ContainerState;

/// What is told of a container's output at most, in bytes.
const WRITTEN: usize = 1 << 20;

impl Docker {
    pub(super) async fn create(&self, spec: &ContainerSpec) -> Result<String> {
        let labels = self.own(&spec.labels);
        let options =
            CreateContainerOptions { name: Some(spec.name.clone()), ..CreateContainerOptions::default() };
        let user = self.user_of(spec).await?;
        let body = asked::container(spec, &labels, numbers_of(&user));
        let made =
            call("create a container", CHANGE, self.client.create_container(Some(options), body)).await;
        let id = match made {
            Ok(made) => made.id,
            Err(Error::Conflict(message)) => {
                let found = match self.inspect(&spec.name).await {
                    Err(Error::NotFound(_)) => return Err(Error::Conflict(message)),
                    found => found?,
                };
                self.is_this(&format!("container {}", spec.name), &labels, &found.labels)?;
                if found.state != ContainerState::Created {
                    return Ok(found.id);
                }
                found.id
            }
            Err(error) => return Err(error),
        };
        // Put again even into one that was there: whether the last attempt got this far is unknown.
        if !spec.files.is_empty() {
            self.put_secrets(&id, spec, &user).await?;
        }
        Ok(id)
    }

    async fn put_secrets(&self, id: &str, spec: &ContainerSpec, user: &str) -> Result<()> {
        let (uid, gid) = match numbers_of(user) {
            Some(numbers) => numbers,
            None => self.look_up(id, user).await?,
        };
        let archive = tarball::secrets(&spec.files, uid, gid)
            .map_err(|error| Error::Refused { status: 0, message: error.to_string() })?;
        let options = UploadToContainerOptions {
            path: asked::SECRETS.to_owned(),
            ..UploadToContainerOptions::default()
        };
        let sent = self.client.upload_to_container(id, Some(options), body_full(archive));
        call("take secrets", CHANGE, sent).await
    }

    /// The user that a container will run as, as its spec or else its image names it.
    async fn user_of(&self, spec: &ContainerSpec) -> Result<String> {
        if let Some(user) = &spec.user {
            return Ok(user.clone());
        }
        let image = self.find_image(&spec.image).await?;
        image.map(|image| image.user).ok_or_else(|| Error::NotFound(format!("image {}", spec.image)))
    }

    /// The numbers of a user that is given by name, from the container's own list.
    async fn look_up(&self, id: &str, user: &str) -> Result<(u64, u64)> {
        let options = DownloadFromContainerOptions { path: "/etc/passwd".to_owned() };
        let mut stream = Box::pin(self.client.download_from_container(id, Some(options)));
        let mut archive = Vec::new();
        while let Some(piece) = stream.next().await {
            archive.extend_from_slice(&piece.map_err(|failure| in_our_words("tell users", READ, failure))?);
        }
        let name = user.split(':').next().unwrap_or_default();
        tarball::first_file(&archive)
            .ok()
            .and_then(|passwd| in_passwd(&passwd, name))
            .ok_or_else(|| Error::NotFound(format!("user {name:?} in container {id}")))
    }

    pub(super) async fn stop_ours(&self, id: &str, grace: Option<Duration>) -> Result<()> {
        let grace = grace.unwrap_or(self.inspect(id).await?.stop_grace);
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptions { t: Some(seconds), ..StopContainerOptions::default() };
        let within = grace.saturating_add(STOP_MARGIN);
        call("stop a container", within, self.client.stop_container(id, Some(options))).await
    }

    pub(super) async fn signal(&self, id: &str, signal: &str) -> Result<()> {
        self.inspect(id).await?;
        let options = KillContainerOptions { signal: signal.to_owned() };
        call("send a signal", CHANGE, self.client.kill_container(id, Some(options))).await
    }

    pub(super) async fn remove(&self, id: &str) -> Result<()> {
        self.inspect(id).await?;
        let options = RemoveContainerOptions { v: true, force: true, link: false };
        match call("remove a container", CHANGE, self.client.remove_container(id, Some(options))).await {
            Err(Error::Conflict(message)) if message.contains("already in progress") => self.vanish(id).await,
            other => other,
        }
    }

    /// Waits until somebody else's removal is done; the caller's deadline ends it.
    async fn vanish(&self, id: &str) -> Result<()> {
        loop {
            match self.inspect(id).await {
                Err(Error::NotFound(_)) => return Ok(()),
                Err(error) => return Err(error),
                Ok(_) => time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    pub(super) async fn written(&self, id: &str, lines: usize) -> Result<String> {
        self.inspect(id).await?;
        let options =
            LogsOptions { stdout: true, stderr: true, tail: lines.to_string(), ..LogsOptions::default() };
        let mut stream = Box::pin(self.client.logs(id, Some(options)));
        let mut text = String::new();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|failure| in_our_words("tell what was written", READ, failure))?;
            text.push_str(&String::from_utf8_lossy(piece.as_ref()));
            if text.len() > WRITTEN {
                break;
            }
        }
        Ok(text)
    }

    pub(super) async fn ended(&self, id: &str) -> Result<i64> {
        self.inspect(id).await?;
        let mut stream = Box::pin(self.client.wait_container(id, None));
        match stream.next().await {
            Some(Ok(ended)) => Ok(ended.status_code),
            // The client takes every exit code but 0 for a failure of the call.
            Some(Err(Failure::DockerContainerWaitError { code, .. })) => Ok(code),
            Some(Err(failure)) => Err(in_our_words("see a container end", CHANGE, failure)),
            None => Err(Error::Unreachable("the connection ended before the container did".to_owned())),
        }
    }
}

/// `uid` or `uid:gid`; nobody named is root. Without a group the numbers are root's group, which is never needed.
fn numbers_of(user: &str) -> Option<(u64, u64)> {
    let (uid, gid) = user.split_once(':').unwrap_or((user, "0"));
    let uid = if uid.is_empty() || uid == "root" { 0 } else { uid.parse().ok()? };
    Some((uid, gid.parse().unwrap_or(0)))
}

fn in_passwd(passwd: &str, name: &str) -> Option<(u64, u64)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        let uid = fields.nth(1)?.parse().ok()?;
        Some((uid, fields.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_by_number_and_by_name() {
        assert_eq!(numbers_of(""), Some((0, 0)));
        assert_eq!(numbers_of("999"), Some((999, 0)));
        assert_eq!(numbers_of("64100:64100"), Some((64100, 64100)));
        assert_eq!(numbers_of("postgres"), None);
        let passwd = "root:x:0:0:root:/root:/bin/sh\npostgres:x:70:71:x:/var:/bin/sh\n";
        assert_eq!(in_passwd(passwd, "postgres"), Some((70, 71)));
        assert_eq!(in_passwd(passwd, "post"), None);
    }
}
