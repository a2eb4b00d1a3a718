//! The remediations that netmend brings along, with the recordings that test them. Data only.

/// Name and text of each.
pub(super) const SHIPPED: &[(&str, &str)] = &[
    ("bgp-adjacency-down", include_str!("../../remediations/bgp-adjacency-down.star")),
    ("bgp-maximum-prefix", include_str!("../../remediations/bgp-maximum-prefix.star")),
    ("bgp-notification", include_str!("../../remediations/bgp-notification.star")),
    ("default", include_str!("../../remediations/default.star")),
    ("err-disable", include_str!("../../remediations/err-disable.star")),
    (
        "ethport-interface-removed",
        include_str!("../../remediations/ethport-interface-removed.star"),
    ),
    ("ethport-link-failure", include_str!("../../remediations/ethport-link-failure.star")),
    ("junos-bgp-down", include_str!("../../remediations/junos-bgp-down.star")),
    ("line-protocol-down", include_str!("../../remediations/line-protocol-down.star")),
    ("link-down", include_str!("../../remediations/link-down.star")),
    ("lsp_change", include_str!("../../remediations/lsp_change.star")),
    ("module-failed", include_str!("../../remediations/module-failed.star")),
    ("module-ok", include_str!("../../remediations/module-ok.star")),
    ("ospf-adjacency-down", include_str!("../../remediations/ospf-adjacency-down.star")),
    ("power-supply", include_str!("../../remediations/power-supply.star")),
];

/// The recordings of each, as `NAME.cast.toml` stands beside `NAME.star`.
const CASTS: &[(&str, &str)] = &[
    ("bgp-adjacency-down", include_str!("../../remediations/bgp-adjacency-down.cast.toml")),
    ("bgp-maximum-prefix", include_str!("../../remediations/bgp-maximum-prefix.cast.toml")),
    ("bgp-notification", include_str!("../../remediations/bgp-notification.cast.toml")),
    ("err-disable", include_str!("../../remediations/err-disable.cast.toml")),
    (
        "ethport-interface-removed",
        include_str!("../../remediations/ethport-interface-removed.cast.toml"),
    ),
    ("ethport-link-failure", include_str!("../../remediations/ethport-link-failure.cast.toml")),
    ("junos-bgp-down", include_str!("../../remediations/junos-bgp-down.cast.toml")),
    ("line-protocol-down", include_str!("../../remediations/line-protocol-down.cast.toml")),
    ("link-down", include_str!("../../remediations/link-down.cast.toml")),
    ("lsp_change", include_str!("../../remediations/lsp_change.cast.toml")),
    ("module-failed", include_str!("../../remediations/module-failed.cast.toml")),
    ("module-ok", include_str!("../../remediations/module-ok.cast.toml")),
    ("ospf-adjacency-down", include_str!("../../remediations/ospf-adjacency-down.cast.toml")),
    ("power-supply", include_str!("../../remediations/power-supply.cast.toml")),
];

/// The names of the shipped remediations.
pub fn shipped() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// The recordings of a shipped remediation, if it is one.
pub fn shipped_cast(name: &str) -> Option<&'static str> {
    CASTS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The text of a shipped remediation, to start another one from.
pub fn shipped_source(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
