use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::stack::Health;

fn with(name: &str, settings: serde_json::Value) -> StackContext {
    let mut context = StackContext::sample();
    context.tenant.name = name.to_owned();
    context.tenant.settings = settings;
    context
}

fn fails(text: &str) -> String {
    match parse(text, "own.yaml") {
        Ok(file) => file.check().expect_err(text).to_string(),
        Err(error) => error.to_string(),
    }
}

/// The default file with one line replaced.
fn changed(from: &str, to: &str) -> String {
    assert!(DEFAULT.contains(from), "{from}");
    DEFAULT.replacen(from, to, 1)
}

#[test]
fn the_default_stack_is_sound() {
    let file = parse(DEFAULT, DEFAULT_NAME).expect("it parses");
    let stack = file.check().expect("it renders");
    let (db, app) = (&stack.services[&stack.database], &stack.services[&stack.web]);
    assert_eq!((db.port, db.stop_seconds, db.read_only), (Some(5432), 30, true));
    assert_eq!(db.image, "freehold/postgres:sample");
    assert_eq!(app.health, Health::Http("/healthz".into()));
    assert_eq!(app.after, vec![stack.database.clone()]);
    assert_eq!(app.environment["TENANT_COLOR"], "");
    assert_eq!(app.environment["PUBLIC_HOSTS"], "sample.freehold.localhost");
    assert_eq!(app.limits, StackContext::sample().limits);
    let coloured = file.render(&with("Acme", json!({"color": "#ff0000"}))).expect("it renders");
    assert_eq!(coloured.services[&coloured.web].environment["TENANT_COLOR"], "#ff0000");
}

#[test]
fn errors_name_file_line_and_field() {
    let line = |needle: &str| DEFAULT.lines().position(|l| l.contains(needle)).expect("a line") + 1;
    for (from, to, field, message) in [
        ("port: 8080", "port: many", "services.app.port", "whole number from 0 to 65535"),
        ("port: 8080", "prot: 8080", "services.app.prot", "there are: image, command"),
        ("after: [db]", "after: [cache]", "services.app.after", "cache is no service"),
        ("health: /healthz", "health: healthz", "services.app.health", "begins with '/'"),
        ("health: /healthz", "privileged: true", "services.app.privileged", "no such field"),
        ("database: db", "database: base", "database", "names no service"),
        (
            "TENANT_NAME: \"{{ tenant.name }}\"",
            "TENANT_NAME: \"{{ tenant.nam }}\"",
            "services.app.environment.TENANT_NAME",
            "nam",
        ),
        (
            "TENANT_NAME: \"{{ tenant.name }}\"",
            "TENANT_NAME: \"{{ tenant.name \"",
            "services.app.environment.TENANT_NAME",
            "",
        ),
        (
            "TENANT_NAME: \"{{ tenant.name }}\"",
            "TENANT_NAME: \"{{ tenant.name | shout }}\"",
            "services.app.environment.TENANT_NAME",
            "Unknown filter `shout`",
        ),
        (
            "TENANT_NAME: \"{{ tenant.name }}\"",
            "TENANT_NAME: \"{% if tenant.name %}x\"",
            "services.app.environment.TENANT_NAME",
            "is not closed",
        ),
        (
            "image: \"{{ images.app }}\"",
            "image: ../containers/json?x=",
            "services.app.image",
            "is not an image's name, such as",
        ),
        (
            "APP_KEY: app_key",
            "APP_KEY: hunter2",
            "services.app.secrets.APP_KEY",
            "none of: database_superuser",
        ),
        (
            "POSTGRES_PASSWORD: database_superuser_password",
            "X: client_secret",
            "services.db.secrets.X",
            "signs nobody in",
        ),
        ("callback: /auth/callback", "calback: /x", "sign_in.calback", "there are: callback, signed_out"),
        ("callback: /auth/callback", "callback: //evil.example", "sign_in.callback", "a path is expected"),
        (
            "signed_out: /auth/signed-out",
            "signed_out: 'https://x'",
            "sign_in.signed_out",
            "a path is expected",
        ),
        ("signed_out: /auth/signed-out", "signed_out: '/a/../b'", "sign_in.signed_out", "a path is expected"),
        ("signed_out: /auth/signed-out", "signed_out: '/a?b=c'", "sign_in.signed_out", "a path is expected"),
        ("after: [db]", "after: [db, [x]]", "services.app.after[1]", "a list where text"),
        ("stop_seconds: 15", "stop_seconds: 999", "services.app.stop_seconds", "between 1 and 120"),
        ("stop_seconds: 15", "limits: {memory: 1}", "services.app.limits.memory", "memory_mib"),
    ] {
        let error = fails(&changed(from, to));
        let start = format!("own.yaml, line {}, {field}: ", line(from));
        assert!(
            error.starts_with(&start) && error.contains(message),
            "expected {start}...{message}, got {error}"
        );
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(!error.contains("hunter2"), "a misplaced secret is repeated: {error}");
    }
}

#[test]
fn a_missing_field_is_looked_for_where_it_should_be() {
    let error = fails(&changed("    image: \"{{ images.app }}\"\n", ""));
    let line = DEFAULT.lines().position(|line| line == "  app:").expect("a line") + 1;
    assert_eq!(error, format!("own.yaml, line {line}, services.app.image: is missing"));
}

#[test]
fn structure_is_refused_before_values() {
    for (text, message) in [
        ("a: 1\na: 2\n", "given twice"),
        ("\"{{ images.app }}\": 1\n", "not for keys"),
        ("a: !mount /\n", "without a tag"),
        ("a: [1\n", "line"),
        ("", "lines are expected"),
        ("- 1\n", "a list where"),
        ("a: &x [1]\n? *x\n: 2\n", "string"),
        ("a: 1\n---\nb: 2\n", "more than one document"),
        ("a: '{% include \"x\" %}'\n", "includes nothing"),
        ("a: \"{{ get_env(name='HOME') }}\"\n", "get_env"),
        ("a: \"{{ load_data(path='/etc/passwd') }}\"\n", "load_data"),
    ] {
        let error = fails(text);
        assert!(error.contains(message), "{text:?}: {error}");
    }
    let long = format!("a: {}", "x".repeat(MAX_FILE));
    assert!(fails(&long).contains("longer than"));
}

#[test]
fn aliases_of_aliases_end_early() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let inner = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
    }
    let error = fails(&bomb);
    assert!(error.contains("more than 4000 values") || error.contains("repetition limit"), "{error}");
}

#[test]
fn a_value_that_grows_without_end_is_refused() {
    let file = parse(
        &changed("\"{{ tenant.name }}\"", "\"{% for i in range(end=90000) %}{{ tenant.name }}{% endfor %}\""),
        "own.yaml",
    )
    .expect("it parses");
    let error = file.check().expect_err("too long").to_string();
    assert!(error.contains("more than 65536 bytes"), "{error}");
}

#[test]
fn limits_are_the_plans_or_less() {
    let limits = |given: &str| {
        let text = changed("    after: [db]\n", &format!("    after: [db]\n    limits: {given}\n"));
        let stack = parse(&text, "own.yaml").expect("it parses").check().expect("it renders");
        stack.services[&stack.web].limits
    };
    let plan = StackContext::sample().limits;
    assert_eq!(limits("{}"), plan);
    assert_eq!(limits("{memory_mib: 64}"), Limits { memory_mib: 64, ..plan });
    assert_eq!(limits("{memory_mib: 99999, cpu_millis: 99999, pids: 99999}"), plan);
    assert_eq!(limits("{memory_mib: '{{ limits.memory_mib // 2 }}'}"), Limits { memory_mib: 128, ..plan });
}

#[test]
fn values_take_the_type_of_their_field() {
    let text = changed("port: 8080", "port: \"{{ 8000 + 80 }}\"").replacen(
        "read_only: true\n    tmpfs:\n      /tmp: 16\n    secrets:\n      DATABASE_URL",
        "read_only: \"{{ 1 == 1 }}\"\n    secrets:\n      DATABASE_URL",
        1,
    );
    let text =
        text.replacen("TENANT_ID: ", "WORKERS: 4\n      DEBUG: true\n      EMPTY:\n      TENANT_ID: ", 1);
    let stack = parse(&text, "own.yaml").expect("it parses").check().expect("it renders");
    let app = &stack.services[&stack.web];
    assert_eq!((app.port, app.read_only), (Some(8080), true));
    assert_eq!(app.environment["WORKERS"], "4");
    assert_eq!(app.environment["DEBUG"], "true");
    assert_eq!(app.environment["EMPTY"], "");
    assert!(fails(&changed("TENANT_ID: ", "VERSION: 1.10\n      TENANT_ID: ")).contains("put it in quotes"));
}

#[test]
fn an_extra_service_has_its_place() {
    let cache = "  cache:\n    image: debian-valkey\n    command: [valkey-server, --save, '']\n    port: 6379\n    \
                 limits: {memory_mib: 32}\n";
    let text = format!("{DEFAULT}\n{cache}");
    let stack = parse(&text, "own.yaml").expect("it parses").check().expect("it renders");
    let cache = &stack.services[&"cache".parse().expect("a name")];
    assert_eq!(cache.health, Health::Tcp);
    assert_eq!(cache.command, ["valkey-server", "--save", ""]);
}

/// Texts that try to be more than text, mixed with any text at all.
fn hostile() -> impl Strategy<Value = String> {
    let traps = prop::sample::select(vec![
        "\n",
        "\r\n",
        "'",
        "\"",
        "{{ tenant.id }}",
        "{% for i in range(end=9) %}x{% endfor %}",
        "{#",
        "#}",
        "}}",
        ": ",
        "\n    volumes: [/:/host]",
        "&anchor",
        "*anchor",
        "!!binary ",
        "- ",
        "<<: ",
        "\u{0}",
        "\u{2028}",
        "\u{85}",
        "\n  evil:\n    image: evil\n",
        "---\n",
        "%YAML 1.1",
        "\t",
        "\\",
        "${HOME}",
        "$(id)",
        "null",
        "true",
        "~",
    ]);
    prop::collection::vec(prop_oneof![traps.prop_map(str::to_owned), "\\PC{0,12}"], 0..8)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_value_changes_the_structure(name in hostile(), color in hostile()) {
        let file = parse(DEFAULT, DEFAULT_NAME).expect("it parses");
        let calm = file.check().expect("it renders");
        let rendered = file.render(&with(&name, json!({"color": color})));
        if name.contains('\0') || color.contains('\0') {
            prop_assert!(rendered.is_err());
            return Ok(());
        }
        let mut stack = rendered.expect("any text is a name");
        let web = stack.web.clone();
        let app = stack.services.get_mut(&web).expect("the app");
        let calm_app = &calm.services[&web];
        // The texts arrive as they are, never rendered again, and nothing else differs.
        prop_assert_eq!(app.environment.insert("TENANT_NAME".into(), calm_app.environment["TENANT_NAME"].clone()), Some(name));
        prop_assert_eq!(app.environment.insert("TENANT_COLOR".into(), calm_app.environment["TENANT_COLOR"].clone()), Some(color));
        prop_assert_eq!(stack, calm);
    }

    #[test]
    fn settings_of_any_shape_are_data(name in hostile(), key in hostile(), value in hostile()) {
        let file = parse(DEFAULT, DEFAULT_NAME).expect("it parses");
        let name = name.replace('\0', "");
        let settings: BTreeMap<String, serde_json::Value> = [(key, json!({"color": [value]}))].into();
        let stack = file.render(&with(&name, json!(settings)));
        if settings.contains_key("color") {
            return Ok(());
        }
        prop_assert_eq!(&stack.expect("it renders").services.len(), &2);
    }

    #[test]
    fn no_file_makes_it_panic(text in "\\PC{0,300}", cut in 0..DEFAULT.len(), more in hostile()) {
        if let Ok(file) = parse(&text, "own.yaml") {
            let _ = file.check();
        }
        let mut broken: String = DEFAULT.chars().take(cut).collect();
        broken.push_str(&more);
        if let Ok(file) = parse(&broken, "own.yaml") {
            let _ = file.check();
        }
    }
}
