//! The values of the label `service`: bounded in number, and safe in every exporter.

use std::collections::HashMap;
use std::sync::Arc;

/// Value of the label for all templates that have none of their own.
pub(super) const OTHER: &str = "other";

/// Templates that have a label of their own, by tree.
#[derive(Debug)]
pub(super) struct Templates {
    max: usize,
    by_tree: HashMap<Arc<str>, HashMap<Arc<str>, Arc<str>>>,
    other: Arc<str>,
}

impl Templates {
    pub(super) fn new(max: usize) -> Self {
        Self { max, by_tree: HashMap::new(), other: OTHER.into() }
    }

    pub(super) fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    /// Returns the label of a template, and whether it is its own. The first templates get one, and keep it.
    pub(super) fn label(&mut self, tree: &Arc<str>, template: &Arc<str>) -> (Arc<str>, bool) {
        let labels = self.by_tree.entry(tree.clone()).or_default();
        if let Some(label) = labels.get(template) {
            return (label.clone(), true);
        }
        if labels.len() >= self.max {
            return (self.other.clone(), false);
        }
        let label = clean(template);
        labels.insert(template.clone(), label.clone());
        (label, true)
    }
}

/// Returns a name as the value of a label: without control characters, which some readers of the text take for its end, and
/// with backslashes doubled, as exporters for Prometheus expect them.
pub(super) fn clean(name: &Arc<str>) -> Arc<str> {
    if !name.contains(|letter: char| letter.is_control() || letter == '\\') {
        return name.clone();
    }
    let mut clean = String::with_capacity(name.len() + 1);
    for letter in name.chars() {
        match letter {
            '\\' => clean.push_str(r"\\"),
            _ if letter.is_control() => clean.push(char::REPLACEMENT_CHARACTER),
            _ => clean.push(letter),
        }
    }
    clean.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_keeps_its_label_and_further_ones_are_other() {
        let mut templates = Templates::new(2);
        let tree: Arc<str> = "app".into();
        let mut label = |template: &str| templates.label(&tree, &template.into()).0.to_string();
        assert_eq!([label("app/b"), label("app/c"), label("app/a")], ["app/b", "app/c", "other"]);
        assert_eq!([label("app/c"), label("app/a"), label("app/b")], ["app/c", "other", "app/b"]);
    }

    #[test]
    fn a_label_has_no_control_character() {
        assert_eq!(&*clean(&"a\0b\\\"".into()), "a\u{FFFD}b\\\\\"");
    }
}
