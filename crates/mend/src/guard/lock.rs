//! What nobody else may be at while a run goes on: the device, its pair, and the groups that are said to be
//! exclusive. The claim takes these names in the store, all or none.

use std::collections::BTreeSet;

use model::Device;

/// The names, each as people read it: `run 3 is at pair sw1+sw2`.
pub fn names(device: &Device, partner: Option<&str>, exclusive: &BTreeSet<String>) -> Vec<String> {
    let mut names = vec![device.name.clone()];
    if let Some(partner) = partner {
        let (a, b) = if *partner < *device.name {
            (partner, &*device.name)
        } else {
            (&*device.name, partner)
        };
        names.push(format!("pair {a}+{b}"));
    }
    let groups = device.groups.iter().filter(|group| exclusive.contains(*group));
    names.extend(groups.map(|group| format!("group {group}")));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_a_pair_want_the_same_name() {
        let device = |name: &str| Device {
            name: name.into(),
            groups: ["core".to_owned(), "london".to_owned()].into(),
            ..Device::default()
        };
        let exclusive = ["core".to_owned()].into();
        assert_eq!(
            names(&device("sw2"), Some("sw1"), &exclusive),
            ["sw2", "pair sw1+sw2", "group core"]
        );
        assert!(names(&device("sw1"), Some("sw2"), &exclusive).contains(&"pair sw1+sw2".into()));
        assert_eq!(names(&device("sw3"), None, &BTreeSet::new()), ["sw3"]);
    }
}
