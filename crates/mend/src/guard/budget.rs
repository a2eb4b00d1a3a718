//! How much may be done in an hour, and how much at once: logins count, whatever came of them. The claim counts
//! in the store.

use std::time::Duration;

use store::ClaimLimits;

/// The budgets of the configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budgets {
    /// Runs at once.
    pub running: u32,
    /// Runs of one remediation at once.
    pub running_rule: u32,
    /// Runs of one remediation in an hour.
    pub rule: u32,
    /// Runs on one device in an hour.
    pub device: u32,
    /// Share of the inventory that is worked on in an hour, in percent.
    pub inventory: f32,
}

impl Default for Budgets {
    /// 20 at once, 5 of a remediation; in an hour 20 of a remediation, 3 on a device, 2 % of the inventory.
    fn default() -> Self {
        Self { running: 20, running_rule: 5, rule: 20, device: 3, inventory: 2.0 }
    }
}

/// However small the inventory is, so many devices may be worked on in an hour.
const LEAST_DEVICES: u32 = 3;

impl Budgets {
    /// What the claim has to count, for an inventory of so many devices.
    pub fn limits(&self, devices: usize) -> ClaimLimits {
        #[expect(clippy::cast_sign_loss, reason = "a share is 0 to 100 percent")]
        let share = match self.inventory {
            // All of it is no limit, and need not be counted.
            100.0.. => u32::MAX,
            inventory => (devices as f32 * inventory / 100.0).ceil() as u32,
        };
        ClaimLimits {
            running: self.running,
            running_rule: self.running_rule,
            window: Duration::from_hours(1),
            rule: self.rule,
            device: self.device,
            devices: share.max(LEAST_DEVICES),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_inventory_has_a_budget_and_a_large_one_its_share() {
        assert_eq!(Budgets::default().limits(2).devices, 3);
        assert_eq!(Budgets::default().limits(1_000).devices, 20);
        let all = Budgets { inventory: 100.0, ..Budgets::default() };
        assert_eq!(all.limits(1_000).devices, u32::MAX);
    }
}
