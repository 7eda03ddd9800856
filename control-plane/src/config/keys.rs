//! Dotted keys: which exist, what stands under them, and which one was probably meant.

use serde_json::Value;

/// The value under a dotted key.
pub(super) fn get<'a>(tree: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(tree, |node, part| node.as_object()?.get(part))
}

/// Puts a value under a dotted key, making the sections on the way.
pub(super) fn set(tree: &mut Value, key: &str, value: Value) {
    let (section, rest) = key.split_once('.').unwrap_or((key, ""));
    if !tree.is_object() {
        *tree = Value::Object(serde_json::Map::new());
    }
    let Some(entries) = tree.as_object_mut() else { return };
    if rest.is_empty() {
        entries.insert(section.to_owned(), value);
    } else {
        set(entries.entry(section).or_insert(Value::Null), rest, value);
    }
}

/// Takes a dotted key away.
pub(super) fn remove(tree: &mut Value, key: &str) {
    match key.split_once('.') {
        None => {
            tree.as_object_mut().and_then(|entries| entries.remove(key));
        }
        Some((section, rest)) => {
            if let Some(inner) = tree.get_mut(section) {
                remove(inner, rest);
            }
        }
    }
}

/// All values that are not sections, by dotted key, in order.
pub(super) fn leaves(tree: &Value) -> Vec<(String, Value)> {
    fn walk(node: &Value, prefix: &str, found: &mut Vec<(String, Value)>) {
        match node.as_object() {
            Some(entries) if !entries.is_empty() => {
                for (name, inner) in entries {
                    let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                    walk(inner, &key, found);
                }
            }
            _ if prefix.is_empty() => {}
            _ => found.push((prefix.to_owned(), node.clone())),
        }
    }
    let mut found = Vec::new();
    walk(tree, "", &mut found);
    found
}

/// The fields of a plan; the only section whose keys are names that the operator chooses.
const PLAN_FIELDS: [&str; 7] =
    ["memory_mib", "cpu_millis", "pids", "connections", "storage_mib", "members", "signups"];

/// Whether a setting may be given under this key, and if not, which existing one is nearest.
pub(super) fn known(defaults: &Value, key: &str) -> Result<(), Option<String>> {
    let parts: Vec<&str> = key.split('.').collect();
    if let ["plans", name, field @ ..] = parts.as_slice() {
        return match field {
            [] => Ok(()),
            [field] if PLAN_FIELDS.contains(field) => Ok(()),
            _ => Err(nearest(&field.join("."), PLAN_FIELDS.into_iter()).map(|f| format!("plans.{name}.{f}"))),
        };
    }
    let all: Vec<String> = leaves(defaults)
        .into_iter()
        .map(|(key, _)| key)
        .filter(|key| !key.starts_with("plans."))
        .chain(["plans".to_owned()])
        .collect();
    if all.iter().any(|one| one == key) {
        return Ok(());
    }
    let by_last_part = || {
        let last = parts.last().copied().unwrap_or_default();
        all.iter().find(|one| one.rsplit('.').next() == Some(last)).cloned()
    };
    Err(nearest(key, all.iter().map(String::as_str)).or_else(by_last_part))
}

/// The candidate with the fewest changed letters, if those are few. What was written up to its unit is next to none.
fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let cut = |candidate: &str| candidate.strip_prefix(text).is_some_and(|rest| rest.starts_with('_'));
    candidates
        .map(|candidate| (if cut(candidate) { 0 } else { distance(text, candidate) }, candidate))
        .min()
        .filter(|(changes, candidate)| *changes <= 3.min(candidate.len().div_ceil(2)))
        .map(|(_, candidate)| candidate.to_owned())
}

/// Letters to add, drop or change to come from one text to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tree_is_read_and_written_by_dotted_keys() {
        let mut tree = json!({"edge": {"port": 1}, "home": "x"});
        set(&mut tree, "edge.port", json!(2));
        set(&mut tree, "plans.gold.pids", json!(3));
        assert_eq!(get(&tree, "plans.gold.pids"), Some(&json!(3)));
        remove(&mut tree, "plans.gold");
        assert_eq!(get(&tree, "plans.gold"), None);
        let keys: Vec<String> = leaves(&tree).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["edge.port", "home", "plans"]);
    }

    #[test]
    fn the_nearest_key_is_suggested() {
        let defaults = json!({"edge": {"port": 1, "listen": ""}, "home": "", "plans": {"a": {"pids": 1}}});
        assert_eq!(known(&defaults, "edge.port"), Ok(()));
        assert_eq!(known(&defaults, "edge.prot"), Err(Some("edge.port".into())));
        assert_eq!(known(&defaults, "port"), Err(Some("edge.port".into())));
        assert_eq!(known(&defaults, "plans.gold.memory"), Err(Some("plans.gold.memory_mib".into())));
        assert_eq!(known(&defaults, "plans.gold.pid"), Err(Some("plans.gold.pids".into())));
        assert_eq!(known(&defaults, "nonsense"), Err(None));
    }
}
