//! What a scenario does, in words for people. It must not decide anything.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::behaviour::{Behaviour, Delay, Harm, Port, Report, Share};
use crate::scenario::Hosts;

impl fmt::Display for Hosts {
    /// One line for each phase.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefixes = self.prefixes.iter().map(ToString::to_string).collect::<Vec<_>>();
        write!(f, "{}", prefixes.join(", "))?;
        if let Some(every) = self.every {
            write!(f, " (address modulo {} is {})", every.of, every.nth)?;
        }
        if let Some(repeat) = self.repeat {
            write!(f, ", again every {repeat:?}")?;
        }
        for phase in &self.phases {
            write!(f, "\n    ")?;
            if phase.after > Duration::ZERO {
                write!(f, "after {:?}: ", phase.after)?;
            }
            write!(f, "{}", phase.behaviour)?;
        }
        Ok(())
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.black_hole {
            return f.write_str("answers nothing");
        }
        match &self.error {
            Some(error) => {
                let routers = addresses(&error.from);
                write!(f, "router {routers} reports {} after {}", error.reports, self.delay)?;
            }
            None => write!(f, "answers after {}", self.delay)?,
        }
        if self.loss != Share::none() {
            write!(f, ", {} lost", self.loss)?;
        }
        if self.copies > 1 {
            write!(f, ", {} times", self.copies)?;
        }
        if let Some(late) = self.late {
            write!(f, ", {} later by {:?}", late.share, late.by.0)?;
        }
        if !self.answer_from.is_empty() {
            write!(f, ", from {}", addresses(&self.answer_from))?;
        }
        if let Some(damage) = self.damage {
            write!(f, ", {} of them {}", damage.share, damage.how)?;
        }
        if self.error.is_none() {
            if !self.echo {
                f.write_str("; no echo")?;
            }
            write!(f, "; TCP {}", self.tcp)?;
        }
        Ok(())
    }
}

fn addresses(list: &[IpAddr]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Delay::Fixed(span) => write!(f, "{span:?}"),
            Delay::Uniform(low, high) => write!(f, "{low:?} to {high:?}"),
            Delay::Exponential { least, mean } => {
                write!(f, "{least:?} and exponentially {mean:?} more")
            }
            Delay::Normal { mean, sd } => write!(f, "{mean:?} with a deviation of {sd:?}"),
            Delay::Bimodal { low, high, high_share } => {
                write!(f, "{low:?}, {high_share} of them {high:?}")
            }
            Delay::Table(delays) => write!(f, "one of {} delays by address", delays.len()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Report::NoRoute => "no route",
            Report::HostUnreachable => "host unreachable",
            Report::PortUnreachable => "port unreachable",
            Report::Prohibited => "prohibited",
            Report::HopLimit => "hop limit exceeded",
            Report::TooBig => "packet too big",
        })
    }
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Harm::Truncate => "cut off",
            Harm::Checksum => "with a wrong checksum",
            Harm::Payload => "with another payload",
            Harm::Identifier => "with another identifier",
            Harm::Noise => "random bytes",
        })
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Port::Open => "open",
            Port::Reset => "reset",
            Port::Silent => "silent",
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::Scenario;

    #[test]
    fn hosts_are_told_in_plain_words() {
        let line = |name, index: usize| {
            Scenario::named(name).unwrap().hosts[index].to_string().replace("\n   ", " |")
        };
        assert_eq!(
            line("bench", 1),
            "10.65.0.0/16, fd00:65::/64 (address modulo 16 is 13) \
             | answers after 20ms, 10% lost; TCP 81 reset, others open"
        );
        assert_eq!(
            line("outage", 2),
            "10.73.2.0/24, fd00:73:2::/64, again every 10s \
             | answers after 5ms; TCP reset \
             | after 8s: router 10.73.255.1, fd00:73:ffff::1 reports host unreachable after 0ns"
        );
        assert_eq!(
            line("ports", 0),
            "10.75.0.0/24, fd00:75::/64 \
             | answers after 3ms; TCP 22, 443, 8000-8099 open, 3306 silent, others reset"
        );
    }
}
