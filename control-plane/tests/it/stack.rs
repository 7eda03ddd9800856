//! The stack file and the settings as the documents describe them: what stands there works as it stands there.

use std::path::{Path, PathBuf};

use control_plane::config::{Config, Origins};
use control_plane::render::stack;

fn document(name: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    text.split(&format!("```{language}\n"))
        .skip(1)
        .map(|rest| rest.split("```").next().expect("the block ends").to_owned())
        .collect()
}

#[test]
fn the_examples_of_the_stack_file_work() {
    let text = document("stack-file.md");
    let stacks: Vec<String> =
        blocks(&text, "yaml").into_iter().filter(|block| block.contains("database:")).collect();
    assert!(!stacks.is_empty(), "the document shows no stack");
    for example in stacks {
        let file =
            stack::parse(&example, "docs/stack-file.md").unwrap_or_else(|error| panic!("{error}\n{example}"));
        file.check().unwrap_or_else(|error| panic!("{error}\n{example}"));
    }
}

#[test]
fn every_setting_is_documented_with_its_value() {
    let text = document("configuration.md");
    for (key, value, _) in Config::default().list(&Origins::default()) {
        if key.starts_with("plans.") {
            continue;
        }
        let line = text.lines().find(|line| line.starts_with(&format!("| `{key}` |")));
        let line = line.unwrap_or_else(|| panic!("docs/configuration.md does not say what {key} is"));
        assert!(
            value.is_empty() || line.contains(&format!("`{value}`")),
            "{key} is {value} by default, not: {line}"
        );
    }
}

#[test]
fn the_example_of_the_settings_loads() {
    let text = document("configuration.md");
    for example in blocks(&text, "yaml") {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("config.yaml");
        std::fs::write(&file, &example).expect("the file is written");
        let sources = control_plane::config::Sources { file: Some(file), ..Default::default() };
        Config::load(&sources).unwrap_or_else(|error| panic!("{error}\n{example}"));
    }
}

#[test]
fn the_default_stack_is_the_file_in_the_repository() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(stack::DEFAULT_NAME);
    assert_eq!(std::fs::read_to_string(path).expect("the file"), stack::DEFAULT);
}
