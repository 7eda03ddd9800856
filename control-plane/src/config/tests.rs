use std::path::Path;

use proptest::prelude::*;

use super::*;

/// Sources that see nothing of the machine the tests run on.
fn sources(home: &Path) -> Sources {
    Sources {
        file: None,
        environment: vec![("FREEHOLD_HOME".into(), home.to_string_lossy().into_owned())],
        flags: Vec::new(),
    }
}

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).expect("the file is written");
    path
}

fn fails(sources: &Sources) -> String {
    Config::load(sources).expect_err("these settings are wrong").to_string()
}

#[test]
fn nothing_set_is_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let (config, origins) = Config::load(&sources(directory.path())).expect("the built-in settings");
    assert_eq!(Config { home: ".freehold".into(), ..config.clone() }, Config::default());
    assert_eq!(config.tenants_domain().as_str(), "freehold.localhost");
    assert_eq!(config.admin.email, "admin@freehold.localhost");
    assert_eq!(config.public_url(), "http://freehold.localhost:8080");
    assert_eq!(origins.of("edge.port"), Origin::BuiltIn);
    assert_eq!(config.plans.len(), 3);
}

#[test]
fn later_layers_win_and_say_who_they_are() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = write(
        directory.path(),
        "config.yaml",
        "domain: fleet.example.com\nedge:\n  port: 9001\nlog: {format: json}\nplans:\n  team: {pids: 300}\n  \
         gold: {memory_mib: 128, cpu_millis: 250, pids: 64, connections: 5, storage_mib: 64}\n",
    );
    let mut sources = sources(directory.path());
    let (config, origins) = Config::load(&sources).expect("the file's settings");
    assert_eq!(config.edge.port, 9001);
    assert_eq!(origins.of("edge.port"), Origin::File(file));
    assert_eq!(config.admin.email, "admin@fleet.example.com");
    assert_eq!(origins.of("admin.email"), Origin::Derived);
    let plan = |name: &str| config.plans[&name.parse::<PlanName>().expect("a plan's name")];
    assert_eq!((plan("team").pids, plan("team").connections), (300, 40));
    assert_eq!(plan("gold").connections, 5);

    sources.environment.push(("FREEHOLD_EDGE__PORT".into(), "9002".into()));
    sources.environment.push(("FREEHOLD_TOKEN".into(), "not a setting".into()));
    let (config, origins) = Config::load(&sources).expect("the environment's settings");
    assert_eq!(config.edge.port, 9002);
    assert_eq!(origins.of("edge.port").to_string(), "environment FREEHOLD_EDGE__PORT");

    sources.flags.push(Flag::set("edge.port=9003").expect("a pair"));
    let (config, origins) = Config::load(&sources).expect("the flag's settings");
    assert_eq!(config.edge.port, 9003);
    assert_eq!(origins.of("edge.port").to_string(), "flag --set edge.port");
    let list = config.list(&origins);
    assert!(list.iter().any(|(key, value, _)| key == "edge.port" && value == "9003"), "{list:?}");
}

#[test]
fn unknown_keys_are_named_with_their_place_and_the_nearest() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut sources = sources(directory.path());
    sources.environment.push(("FREEHOLD_EDGE__PROT".into(), "1".into()));
    let error = fails(&sources);
    assert!(error.contains("FREEHOLD_EDGE__PROT") && error.contains("\"edge.port\"?"), "{error}");
    sources.environment.pop();

    sources.file = Some(write(directory.path(), "other.yaml", "domian: example.com\n"));
    let error = fails(&sources);
    assert!(error.contains("other.yaml") && error.contains("did you mean \"domain\"?"), "{error}");

    sources.file = Some(write(directory.path(), "other.yaml", "edge: 5\n"));
    assert!(fails(&sources).contains("there is no setting \"edge\""));
    sources.file = Some(directory.path().join("missing.yaml"));
    assert!(fails(&sources).contains("missing.yaml"));
}

#[test]
fn broken_files_say_where() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut sources = sources(directory.path());
    for (text, expected) in [
        ("domain: a.example\ndomain: b.example\n", "duplicate"),
        ("domain: a.example\nedge: [1\n", "line"),
        ("- one\n", "settings by name"),
        (
            "edge: {port: many}\n",
            "edge.port: invalid type: string \"many\", expected a whole number from 0 to 65535",
        ),
        (
            "worker: {concurrency: -1}\n",
            "worker.concurrency: invalid value: integer `-1`, expected a whole number",
        ),
        ("plans: []\n", "plans: invalid type: sequence"),
        ("edge:\n\tport: 1\n", "line 2"),
        ("plans: {gold: {pids: 64}}\n", "plans.gold"),
        ("home: /somewhere\n", "cannot be set in the file"),
    ] {
        write(directory.path(), "config.yaml", text);
        let error = fails(&sources);
        assert!(error.contains(expected) && error.contains("config.yaml"), "{text}: {error}");
    }
    std::fs::remove_file(directory.path().join("config.yaml")).expect("the file goes");
    sources.flags.push(Flag::set("edge.port=70000").expect("a pair"));
    assert!(fails(&sources).contains("edge.port"));
}

#[test]
fn a_password_costs_no_less_than_one_of_the_recommended_and_may_cost_more() {
    let is_enough =
        |memory_kib, iterations| Argon2Config { memory_kib, iterations, parallelism: 1 }.is_enough();
    assert!(Argon2Config::default().is_enough());
    for (memory, passes) in Argon2Config::LEAST {
        assert!(is_enough(memory, passes) && is_enough(memory + 1, passes) && is_enough(memory, passes + 1));
        assert!(!is_enough(memory - 1, passes) && !is_enough(memory, passes - 1));
    }
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    let directory = tempfile::tempdir().expect("a directory");
    for (pair, expected) in [
        ("plans.starter.connections=0", "plans.starter.connections: 0 is not between 1 and 100"),
        ("plans.starter.connections=101", "101 is not between"),
        ("plans.Gold.pids=1", "plans.Gold"),
        ("default_plan=gold", "there are: business, starter, team"),
        ("network.pool=10.0.0.0/25", "between a /8 and a /24"),
        ("network.pool=10.201.1.0/16", "10.201.0.0/16 does"),
        ("network.pool=8.0.0.0/16", "not private"),
        ("network.pool=fd00::/16", "network.pool"),
        ("edge.port=0", "edge.port: 0"),
        ("edge.listen=localhost", "edge.listen"),
        ("domain=No_Name", "domain"),
        ("domain=10.0.0.1", "is an address"),
        ("admin.email=nobody", "admin.email"),
        ("people.argon2.iterations=4", "7168 KiB with 4 iterations is less than OWASP recommends"),
        (
            "people.argon2.memory_kib=7167",
            "47104 with 1, 19456 with 2, 12288 with 3, 9216 with 4, 7168 with 5",
        ),
        ("people.argon2.parallelism=0", "people.argon2.parallelism: 0 is not between"),
        ("log.filter=a=b=c", "log.filter"),
        ("log.format=xml", "log.format"),
    ] {
        let mut sources = sources(directory.path());
        sources.flags.push(Flag::set(pair).expect("a pair"));
        let error = fails(&sources);
        assert!(error.contains(expected), "{pair}: {error}");
    }
    assert!(Flag::set("edge.port").is_err());
    for (net, expected) in [
        ("10.1.2.3/16", "10.1.0.0/16 does"),
        ("0.0.0.0/0", "is everything"),
        ("10.0.0.0/8", "holds houses of tenants"),
        ("10.201.7.0/24", "holds houses of tenants"),
        ("nowhere", "providers.reachable"),
    ] {
        let text = format!("providers: {{reachable: [10.7.0.0/16, {net}]}}\n");
        let file = Some(write(directory.path(), "own.yaml", &text));
        let error = fails(&Sources { file, ..sources(directory.path()) });
        assert!(error.contains("providers.reachable") && error.contains(expected), "{net}: {error}");
    }
}

#[test]
fn paths_are_meant_from_the_file_they_stand_in() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut sources = sources(directory.path());
    std::fs::create_dir(directory.path().join("etc")).expect("a directory");
    sources.file = Some(write(&directory.path().join("etc"), "own.yaml", "stack: {file: house.yaml}\n"));
    let (config, _) = Config::load(&sources).expect("settings");
    assert_eq!(config.stack.file, Some(directory.path().join("etc/house.yaml")));
    assert!(config.home.is_absolute());
}

#[test]
fn the_installation_is_read_from_its_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    write(directory.path(), "installation", "abc234\n");
    let (config, origins) = Config::load(&sources(directory.path())).expect("settings");
    assert_eq!(config.installation.map(String::from), Some("abc234".to_owned()));
    assert!(origins.of("installation").to_string().ends_with("/installation"));
    write(directory.path(), "installation", "not one");
    assert!(fails(&sources(directory.path())).contains("installation id"));
}

#[test]
fn what_is_written_loads_to_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut from = sources(directory.path());
    from.flags.push(Flag::set("tenants_domain=tenants.example.com").expect("a pair"));
    from.flags.push(Flag::set("plans.starter.pids=99").expect("a pair"));
    let (config, _) = Config::load(&from).expect("settings");
    let file = write(directory.path(), "effective.yaml", &config.to_yaml().expect("YAML"));
    let again = Sources { file: Some(file), environment: Vec::new(), flags: Vec::new() };
    assert_eq!(Config::load(&again).expect("the same settings").0, config);
}

#[test]
fn a_section_may_be_empty() {
    let directory = tempfile::tempdir().expect("a directory");
    write(directory.path(), "config.yaml", "edge:\n#  port: 9001\nplans:\n");
    let (config, _) = Config::load(&sources(directory.path())).expect("settings");
    assert_eq!((config.edge.port, config.plans.len()), (8080, 3));
}

#[test]
fn a_plan_can_be_taken_away() {
    let directory = tempfile::tempdir().expect("a directory");
    write(directory.path(), "config.yaml", "plans: {team: null, business: null}\n");
    let (config, _) = Config::load(&sources(directory.path())).expect("settings");
    assert_eq!(config.plans.len(), 1);
}

proptest! {
    #[test]
    fn no_file_makes_it_panic(text in "\\PC{0,200}") {
        let directory = tempfile::tempdir().expect("a directory");
        write(directory.path(), "config.yaml", &text);
        let _ = Config::load(&sources(directory.path()));
    }

    #[test]
    fn no_flag_makes_it_panic(key in "(plans|edge|[a-z.]{0,9}|\\PC{0,20})(\\.(\\PC{0,9}|port))*", value in "\\PC{0,30}") {
        let directory = tempfile::tempdir().expect("a directory");
        let mut sources = sources(directory.path());
        sources.flags.push(Flag { name: "--set".into(), key, value });
        let _ = Config::load(&sources);
    }
}
