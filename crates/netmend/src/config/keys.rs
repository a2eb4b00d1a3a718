//! The macro that turns a list of keys into a struct, its reader and the list of what is allowed. It names
//! no key itself.

/// Defines a map with fixed keys: the struct, its reader and the list of its keys.
macro_rules! keys {
    (
        $(#[$meta:meta])*
        struct $name:ident ($wanted:literal) {
            $($(#[$doc:meta])* $key:ident: $type:ty,)*
        }
    ) => {
        #[derive(Debug, Default, JsonSchema)]
        #[schemars(deny_unknown_fields)]
        $(#[$meta])*
        pub(crate) struct $name {
            $($(#[$doc])* pub(crate) $key: Option<At<$type>>,)*
        }

        impl $name {
            /// The keys that are allowed.
            pub(crate) const KEYS: &[&str] = &[$($crate::config::keys::plain(stringify!($key))),*];
        }

        impl Read for $name {
            fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
                let mut raw = Self::default();
                for (key, value) in reader.entries(node, $wanted)? {
                    match key_text(key) {
                        $(key if key == $crate::config::keys::plain(stringify!($key)) => {
                            raw.$key = reader.at(value);
                        })*
                        _ => reader.unknown_key(key, Self::KEYS),
                    }
                }
                Some(raw)
            }
        }
    };
}

/// A key as typed: `r#match` is `match`.
pub(super) const fn plain(key: &'static str) -> &'static str {
    match key.as_bytes() {
        [b'r', b'#', ..] => key.split_at(2).1,
        _ => key,
    }
}

pub(super) use keys;
