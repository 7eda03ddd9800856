//! Images: fetched, imported and built.

use std::path::Path;
use std::time::Duration;

use bollard::body_try_stream;
use bollard::query_parameters::{BuildImageOptions, CreateImageOptions};
use futures_util::{Stream, StreamExt, TryStreamExt};
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::call::{READ, call, in_our_words};
use super::{Docker, asked, seen, tarball};
use crate::engine::{BuildLog, BuildSpec, Error, ImageInfo, Result};

/// For a root file system of a few hundred MiB on a slow disk.
pub(super) const IMPORT: Duration = Duration::from_secs(300);

impl Docker {
    pub(super) async fn find_image(&self, name: &str) -> Result<Option<ImageInfo>> {
        match call("tell of an image", READ, self.client.inspect_image(name)).await {
            Ok(image) => {
                let config = image.config.unwrap_or_default();
                Ok(Some(ImageInfo {
                    id: image.id.unwrap_or_default(),
                    user: config.user.unwrap_or_default(),
                    labels: seen::labels(config.labels),
                }))
            }
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn id_of(&self, tag: &str) -> Result<String> {
        let image = self.find_image(tag).await?;
        image.map(|image| image.id).ok_or_else(|| Error::NotFound(format!("image {tag}, though just made")))
    }

    pub(super) async fn fetch(&self, name: &str) -> Result<()> {
        let options =
            CreateImageOptions { from_image: Some(with_tag(name)), ..CreateImageOptions::default() };
        finish("fetch an image", self.client.create_image(Some(options), None, None)).await
    }

    pub(super) async fn import_image(&self, tar: &Path, tag: &str) -> Result<String> {
        let file =
            File::open(tar).await.map_err(|error| Error::NotFound(format!("{}: {error}", tar.display())))?;
        let (repository, version) = tag.rsplit_once(':').unwrap_or((tag, "latest"));
        let options = CreateImageOptions {
            from_src: Some("-".to_owned()),
            repo: Some(repository.to_owned()),
            tag: Some(version.to_owned()),
            ..CreateImageOptions::default()
        };
        let body = body_try_stream(ReaderStream::with_capacity(file, 256 * 1024));
        finish("import an image", self.client.create_image(Some(options), Some(body), None)).await?;
        self.id_of(tag).await
    }

    pub(super) async fn build_image(&self, spec: &BuildSpec, log: &BuildLog<'_>) -> Result<String> {
        let options = BuildImageOptions {
            dockerfile: "Dockerfile".to_owned(),
            t: Some(spec.tag.clone()),
            rm: true,
            forcerm: true,
            buildargs: Some(asked::map(&spec.arguments)),
            labels: Some(asked::map(&spec.labels)),
            ..BuildImageOptions::default()
        };
        let body = body_try_stream(tarball::context(spec.files.clone()));
        let mut stream = Box::pin(self.client.build_image(options, None, Some(body)));
        while let Some(progress) = stream.next().await {
            let progress =
                progress.map_err(|failure| in_our_words("build an image", spec.within, failure))?;
            let text = progress.stream.or(progress.status).unwrap_or_default();
            text.lines().filter(|line| !line.trim().is_empty()).for_each(log);
        }
        drop(stream);
        self.id_of(&spec.tag).await
    }
}

/// Reads the progress of a call that reports it, up to the end or the first failure in it.
async fn finish<T>(
    what: &'static str,
    progress: impl Stream<Item = std::result::Result<T, bollard::errors::Error>>,
) -> Result<()> {
    progress
        .try_for_each(|_| std::future::ready(Ok(())))
        .await
        .map_err(|failure| in_our_words(what, IMPORT, failure))
}

/// A name without a version would fetch all versions.
fn with_tag(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') || name.contains('@') { name.to_owned() } else { format!("{name}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_version_is_fetched() {
        assert_eq!(with_tag("debian"), "debian:latest");
        assert_eq!(with_tag("localhost:5000/debian"), "localhost:5000/debian:latest");
        assert_eq!(with_tag("debian:trixie-slim"), "debian:trixie-slim");
        assert_eq!(with_tag("debian@sha256:00"), "debian@sha256:00");
    }
}
