//! Small programs of the tests, run inside containers with what every Debian has: Perl.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use rand::RngExt;

use crate::houses::objects::docker;

const REACH: &str = include_str!("reach.pl");
const LISTEN: &str = include_str!("listen.pl");
const FORGE: &str = include_str!("forge.pl");
const WITNESS: &str = include_str!("witness.pl");
const POWERS: &str = include_str!("powers.pl");

/// How long an answer that must not come is waited for; one that comes takes milliseconds.
const REFUSED: &str = "3";
/// How long one that must come is.
const NEEDED: &str = "30";

fn perl(container: &str, user: Option<&str>, program: &str, arguments: &[&str]) -> String {
    let mut all = vec!["exec"];
    all.extend(user.iter().flat_map(|user| ["-u", user]));
    all.extend([container, "perl", "-e", program]);
    all.extend(arguments);
    docker(&all)
}

fn reach(container: &str, seconds: &str, places: &[String]) -> BTreeSet<String> {
    let mut arguments = vec![seconds];
    arguments.extend(places.iter().map(String::as_str));
    perl(container, None, REACH, &arguments).lines().map(str::to_owned).collect()
}

/// Those of these places that answer a container, all of them asked at once.
pub fn reached(container: &str, places: &[String]) -> BTreeSet<String> {
    reach(container, REFUSED, places)
}

/// Fails unless every one of these answers.
pub fn must_reach(container: &str, places: &[String]) {
    let answered = reach(container, NEEDED, places);
    let silent: Vec<&String> = places.iter().filter(|place| !answered.contains(*place)).collect();
    assert!(silent.is_empty(), "{container} does not reach {silent:?}");
}

/// Begins to listen in a container, over TCP and UDP; it does so as long as the container runs.
pub fn listen(container: &str, port: u16) {
    docker(&["exec", "-d", container, "perl", "-e", LISTEN, &port.to_string()]);
}

/// What somebody in a container may do to its network: each attempt with its outcome.
pub fn powers(container: &str, user: Option<&str>, other: &str) -> Vec<(String, String)> {
    let told = perl(container, user, POWERS, &[other]);
    let pair = |line: &str| {
        let (what, outcome) = line.split_once(": ").expect("an attempt and its outcome");
        (what.to_owned(), outcome.to_owned())
    };
    told.lines().map(pair).collect()
}

/// A container of the test's own; it goes when this does.
pub struct Bystander(pub String);

impl Bystander {
    /// One that does nothing by itself, in a network given in the engine's words, with the capabilities of somebody
    /// who has broken out of a container.
    pub fn in_network(network: &str, image: &str) -> Self {
        let capabilities = ["--cap-add", "NET_RAW", "--cap-add", "NET_ADMIN", "--user", "0:0"];
        Self::run(
            &[&["--network", network][..], &capabilities, &["--entrypoint", "sleep", image, "inf"]].concat(),
        )
    }

    /// One that listens, in the engine's default network.
    pub fn listening(image: &str, port: u16) -> Self {
        Self::run(&["--entrypoint", "perl", image, "-e", LISTEN, &port.to_string()])
    }

    fn run(arguments: &[&str]) -> Self {
        let own = Self(format!("fht-{:08x}", rand::rng().random::<u32>()));
        docker(&[&["run", "-d", "--name", &own.0][..], arguments].concat());
        own
    }

    /// Sends packets of its own making; forge.pl has their words.
    pub fn forge(&self, packets: &[String]) {
        let packets: Vec<&str> = packets.iter().map(String::as_str).collect();
        perl(&self.0, None, FORGE, &packets);
    }

    /// Begins to watch what reaches its network and fits a pattern, until all of these have.
    pub fn witness(&self, pattern: &str, ends: &[String]) -> Witness {
        let mut child = Command::new("docker")
            .args(["exec", &self.0, "perl", "-e", WITNESS, pattern])
            .args(ends)
            .stdout(Stdio::piped())
            .spawn()
            .expect("docker runs");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        assert_eq!(lines.next().expect("a line").expect("text"), "ready");
        Witness { child, lines }
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        if let Err(error) = Command::new("docker").args(["rm", "-f", "-v", &self.0]).output() {
            eprintln!("{} stays behind: {error}", self.0);
        }
    }
}

/// Somebody who watches.
pub struct Witness {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Witness {
    /// What was seen, once all that must be was.
    pub fn seen(mut self) -> BTreeSet<String> {
        let lines = self.lines.by_ref().map(|line| line.expect("text")).collect();
        assert!(self.child.wait().expect("it ended").success());
        lines
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        // One whose end was not waited for goes with its container.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
