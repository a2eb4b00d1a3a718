//! Address prefixes such as `10.64.0.0/16` and `fd00:64::/64`. Pure values.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::Deserialize;

/// All addresses that share their first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Prefix {
    first: IpAddr,
    length: u8,
}

impl Prefix {
    /// Its first address.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// Its length in bits.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// Whether `address` is one of its addresses.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                (first.to_bits() ^ address.to_bits()).checked_shr(32 - u32::from(self.length))
                    == Some(0)
                    || self.length == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                (first.to_bits() ^ address.to_bits()).checked_shr(128 - u32::from(self.length))
                    == Some(0)
                    || self.length == 0
            }
            _ => false,
        }
    }

    /// The `n`th address, counted from 0 and wrapping at the end of the prefix.
    pub fn nth(&self, n: u64) -> IpAddr {
        match self.first {
            IpAddr::V4(first) => {
                let hosts = u32::MAX.checked_shr(u32::from(self.length)).unwrap_or(0);
                Ipv4Addr::from_bits(first.to_bits() | (n as u32 & hosts)).into()
            }
            IpAddr::V6(first) => {
                let hosts = u128::MAX.checked_shr(u32::from(self.length)).unwrap_or(0);
                Ipv6Addr::from_bits(first.to_bits() | (u128::from(n) & hosts)).into()
            }
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.length)
    }
}

/// Why a text is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Not `ADDRESS/LENGTH`.
    #[error("`{0}` is no prefix: write it as 10.64.0.0/16 or fd00:64::/64")]
    Form(String),
    /// The length is more than the address has bits.
    #[error("`{0}` has more bits than its address: at most {1}")]
    TooLong(String, u8),
    /// Bits behind the length are set, so that it is unclear what is meant.
    #[error("`{0}` has bits set behind its length: did you mean {1}?")]
    HostBits(String, Prefix),
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let form = || PrefixError::Form(text.to_owned());
        let (address, length) = text.split_once('/').ok_or_else(form)?;
        let address: IpAddr = address.parse().map_err(|_| form())?;
        let length: u8 = length.parse().map_err(|_| form())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        if length > bits {
            return Err(PrefixError::TooLong(text.to_owned(), bits));
        }
        let first = match address {
            IpAddr::V4(address) => {
                let hosts = u32::MAX.checked_shr(u32::from(length)).unwrap_or(0);
                Ipv4Addr::from_bits(address.to_bits() & !hosts).into()
            }
            IpAddr::V6(address) => {
                let hosts = u128::MAX.checked_shr(u32::from(length)).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & !hosts).into()
            }
        };
        let prefix = Self { first, length };
        if first != address {
            return Err(PrefixError::HostBits(text.to_owned(), prefix));
        }
        Ok(prefix)
    }
}

impl TryFrom<String> for Prefix {
    type Error = PrefixError;

    fn try_from(text: String) -> Result<Self, PrefixError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn a_prefix_contains_its_addresses_and_no_others() {
        for (text, inside, outside) in [
            ("10.64.0.0/16", "10.64.255.255", "10.65.0.0"),
            ("10.64.0.0/13", "10.71.1.2", "10.72.0.0"),
            ("10.1.2.3/32", "10.1.2.3", "10.1.2.4"),
            ("0.0.0.0/0", "255.255.255.255", "::"),
            ("fd00:64::/64", "fd00:64::ffff", "fd00:64:0:1::"),
            ("::1/128", "::1", "::2"),
            ("::/0", "ffff::", "10.0.0.1"),
        ] {
            assert!(prefix(text).contains(inside.parse().unwrap()), "{text} {inside}");
            assert!(!prefix(text).contains(outside.parse().unwrap()), "{text} {outside}");
        }
    }

    #[test]
    fn addresses_are_counted_from_the_first_and_wrap() {
        let nth = |text, n| prefix(text).nth(n).to_string();
        assert_eq!(nth("10.64.0.0/16", 0), "10.64.0.0");
        assert_eq!(nth("10.64.0.0/16", 258), "10.64.1.2");
        assert_eq!(nth("10.64.0.0/16", 65_536), "10.64.0.0");
        assert_eq!(nth("10.1.2.3/32", 5), "10.1.2.3");
        assert_eq!(nth("fd00:64::/64", 16), "fd00:64::10");
    }

    #[test]
    fn what_is_no_prefix_is_refused_with_the_way_to_write_it() {
        let error = |text: &str| text.parse::<Prefix>().unwrap_err().to_string();
        assert!(error("10.64.0.0").contains("write it as"));
        assert!(error("10.64/16").contains("write it as"));
        assert!(error("10.64.0.0/33").contains("at most 32"));
        assert!(error("10.64.0.1/16").contains("did you mean 10.64.0.0/16?"));
    }
}
