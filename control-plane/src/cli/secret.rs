//! Secrets that are given in files: what stands among a command's arguments can be read by everybody on the machine.

use std::io::Read;
use std::path::Path;

use super::Error;

/// What a file holds, - for standard input, without the line's end.
///
/// # Errors
/// [`super::Exit::Failed`] when it cannot be read.
pub(super) fn read(file: &Path) -> Result<String, Error> {
    let mut text = String::new();
    let done = if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(|_| ())
    } else {
        std::fs::read_to_string(file).map(|read| text = read)
    };
    done.map_err(|error| Error::failed(format!("{}: {error}", file.display())))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
