//! Who speaks for whom: a parent for what is behind it, a group for what it shares, and everyone else for
//! themselves. Of many alerts with one cause people hear one.

use model::alert::{
    AlertId, GroupSubject, Happening, LinkSubject, Member, Neighbours, QuietBy, Subject,
    TargetSubject,
};
use model::{Alert, AlertState, UnixMs};

use super::{Engine, SILENCE, TOGETHER};

impl Engine {
    /// Enters a seat's alert where others look for it.
    pub(super) fn enter(&mut self, seat: usize, id: AlertId) {
        let Some(held) = self.held.get_mut(&id) else { return };
        let since = held.alert.since;
        held.entered = since;
        let place = &mut self.seats.list[seat];
        place.alert = Some(id);
        for &group in &place.groups {
            self.seats.groups[group].onsets.insert((since, id));
        }
    }

    /// Enters all alerts again, after the groups were made anew.
    pub(super) fn enter_groups(&mut self) {
        for seat in 0..self.seats.list.len() {
            if let Some(id) = self.seats.list[seat].alert {
                self.enter(seat, id);
            }
        }
        for (id, held) in &self.held {
            if let (Subject::Group(group), true) = (&held.alert.subject, held.alert.is_open())
                && let Some(number) = self.seats.of_group(&group.tag, &group.value)
            {
                self.seats.groups[number].alert = Some(*id);
            }
        }
    }

    /// Where links are is found out after the links themselves: what they share then may explain what is
    /// wrong with them already.
    pub(super) fn group_links(&mut self, now: UnixMs) {
        for seat in 0..self.seats.list.len() {
            let place = &self.seats.list[seat];
            let Some(id) = place.alert.filter(|_| place.watched.is_told()) else { continue };
            let (since, groups) = (self.held[&id].alert.since, place.groups.clone());
            if self.held[&id].alert.subject != place.watched.subject {
                self.change(id).subject = self.seats.list[seat].watched.subject.clone();
            }
            if let Some(group) = self.fitting_group(&groups, since) {
                self.form(group, since, now);
            }
        }
    }

    /// Finds who speaks for the new alert of a seat, and for whom it speaks.
    pub(super) fn speak(&mut self, seat: usize, id: AlertId, now: UnixMs) {
        self.set_neighbours(seat, id);
        self.gather_children(seat, id, now);
        if let Some(parent) = self.parent_of(seat, id) {
            return self.join(id, parent, now);
        }
        let place = &self.seats.list[seat];
        if place.parents.iter().any(|parent| self.seats.list[*parent].reach.is_gone()) {
            // The parent is about to be noticed too.
            let held = self.held.get_mut(&id).expect("it was raised just now");
            held.ready = held.ready.max(now + SILENCE);
        }
        let since = self.held[&id].alert.since;
        let groups = self.seats.list[seat].groups.clone();
        let open = groups.iter().find_map(|group| {
            let group = &self.seats.groups[*group];
            let near = group.cluster(since, TOGETHER).any(|other| other != id);
            group.alert.filter(|speaker| near && self.is_open(*speaker))
        });
        if let Some(speaker) = open {
            self.join(id, speaker, now);
        }
        if let Some(group) = self.fitting_group(&groups, since) {
            self.form(group, since, now);
        }
    }

    /// The open alert of the host that must be reachable for this one to be.
    fn parent_of(&self, seat: usize, id: AlertId) -> Option<AlertId> {
        let since = self.held[&id].alert.since;
        let parents = &self.seats.list[seat].parents;
        parents.iter().find_map(|parent| {
            let speaker = self.seats.list[*parent].alert?;
            let before = self.held.get(&speaker)?.alert.since;
            (before <= since + TOGETHER && self.root(speaker) != id).then_some(speaker)
        })
    }

    /// Takes over those that are behind the seat and became bad with it.
    fn gather_children(&mut self, seat: usize, id: AlertId, now: UnixMs) {
        let children = &self.seats.list[seat].children;
        if children.is_empty() {
            return;
        }
        let total = children.len() as u32;
        let since = self.held[&id].alert.since;
        let behind: Vec<AlertId> = children
            .iter()
            .filter_map(|child| self.seats.list[*child].alert)
            .filter(|child| {
                let held = &self.held[child];
                held.speaker.is_none() && since <= held.alert.since + TOGETHER
            })
            .collect();
        self.change(id).total = total;
        for child in behind {
            self.join(child, id, now);
        }
    }

    /// The group that explains best why its targets became bad together: the one with the largest share.
    fn fitting_group(&self, groups: &[usize], since: UnixMs) -> Option<usize> {
        let fits = groups.iter().copied().filter(|number| {
            let group = &self.seats.groups[*number];
            if group.alert.is_some() || group.onsets.len() < group.threshold() {
                return false;
            }
            let mut roots = std::collections::BTreeSet::new();
            let mut count = 0;
            for id in group.cluster(since, TOGETHER) {
                count += 1;
                if roots.len() < group.roots() {
                    roots.insert(self.root(id));
                }
            }
            count >= group.threshold() && roots.len() >= group.roots()
        });
        fits.max_by(|a, b| {
            let share = |number: &usize| {
                let group = &self.seats.groups[*number];
                group.onsets.len() as f64 / f64::from(group.total.max(1))
            };
            let smaller = self.seats.groups[*b].total.cmp(&self.seats.groups[*a].total);
            share(a).total_cmp(&share(b)).then(smaller)
        })
    }

    /// Raises the alert of a group over those that became bad around `since`.
    fn form(&mut self, number: usize, since: UnixMs, now: UnixMs) {
        let group = &self.seats.groups[number];
        let subject = GroupSubject { tag: group.tag.clone(), value: group.value.clone() };
        let cluster: Vec<AlertId> = group.cluster(since, TOGETHER).collect();
        let total = group.total;
        let mut roots: Vec<AlertId> = cluster.iter().map(|id| self.root(*id)).collect();
        roots.sort_unstable();
        roots.dedup();
        let alerts = roots.iter().map(|id| &self.held[id].alert);
        let severity = alerts.clone().map(|alert| alert.severity).max();
        let Some((severity, onset)) = severity.zip(alerts.map(|alert| alert.since).min()) else {
            return;
        };
        let alert =
            Alert { total, ..Alert::new(AlertId(0), Subject::Group(subject), severity, onset) };
        let id = self.create(alert, now);
        self.seats.groups[number].alert = Some(id);
        for root in roots {
            self.join(root, id, now);
        }
    }

    /// From now on `speaker` speaks for `id`.
    pub(super) fn join(&mut self, id: AlertId, speaker: AlertId, now: UnixMs) {
        if id == speaker || self.root(speaker) == id || !self.is_open(speaker) {
            return;
        }
        if self.held[&id].speaker.is_some_and(|old| self.is_open(old)) {
            return;
        }
        self.held.get_mut(&id).expect("the caller has just seen it").speaker = Some(speaker);
        self.roots.remove(&id);
        let quiet = QuietBy::Alert(speaker);
        let alert = self.change(id);
        alert.quiet.retain(|by| !matches!(by, QuietBy::Alert(_)));
        alert.quiet.push(quiet);
        self.note(id, now, Happening::Joined(speaker));
        let (severity, since) = (self.held[&id].alert.severity, self.held[&id].alert.since);
        let held = self.held.get_mut(&speaker).expect("it is open");
        held.members.insert(id);
        held.open_members += 1;
        let alert = self.change(speaker);
        if alert.subject.series().is_none() {
            alert.since = alert.since.min(since);
            self.raise_severity(speaker, severity, now);
        }
        self.list_members(speaker, id);
        self.worse_by_number(speaker, now);
        let touched = self.threads.absorb(id, speaker);
        self.out.threads.extend(touched);
    }

    /// More are affected than when somebody acknowledged it: half as many again.
    fn worse_by_number(&mut self, id: AlertId, now: UnixMs) {
        let alert = &self.held[&id].alert;
        let Some(ack) = &alert.ack else { return };
        let before = alert.members.iter().filter(|member| member.since <= ack.at).count();
        if alert.affected as usize > (before * 3).div_ceil(2) && before < Alert::MEMBERS {
            self.worse(id, now);
        }
    }

    /// Lists what joined a speaker, and counts.
    fn list_members(&mut self, speaker: AlertId, joined: AlertId) {
        let alert = &self.held[&joined].alert;
        let mut new: Vec<Member> = alert.members.clone();
        if alert.subject.series().is_some() {
            new.insert(0, member(alert));
        }
        let affected = self.affected(speaker);
        let alert = self.change(speaker);
        for member in new {
            let place = alert.members.iter().position(|known| known.alert == member.alert);
            match place {
                Some(place) => alert.members[place] = member,
                None if alert.members.len() < Alert::MEMBERS => alert.members.push(member),
                None => break,
            }
        }
        alert.affected = affected;
    }

    /// How many targets an alert speaks for that are bad now.
    fn affected(&self, id: AlertId) -> u32 {
        let held = &self.held[&id];
        match &held.alert.subject {
            Subject::Group(group) => {
                let number = self.seats.of_group(&group.tag, &group.value);
                number.map_or(0, |number| self.seats.groups[number].onsets.len() as u32)
            }
            _ => held.open_members,
        }
    }

    /// Tells the speaker of an alert that it is over. A group whose members are all over is over.
    pub(super) fn member_ended(&mut self, id: AlertId, now: UnixMs) {
        let Some(speaker) = self.held[&id].speaker.filter(|speaker| self.is_open(*speaker)) else {
            return;
        };
        let state = self.held[&id].alert.state;
        let held = self.held.get_mut(&speaker).expect("it is open");
        held.open_members = held.open_members.saturating_sub(1);
        let open = held.open_members;
        let affected = self.affected(speaker);
        let alert = self.change(speaker);
        alert.affected = affected;
        for member in alert.members.iter_mut().filter(|member| member.alert == Some(id)) {
            member.state = state;
        }
        if open > 0 || !matches!(alert.subject, Subject::Group(_)) {
            return;
        }
        let accepted = |member: &AlertId| {
            self.held.get(member).is_some_and(|held| held.alert.state == AlertState::Accepted)
        };
        let all = self.held[&speaker].members.iter().all(accepted);
        let over = if all { AlertState::Accepted } else { AlertState::Resolved };
        self.end(speaker, over, now);
    }

    /// Takes an alert out of where others look for it.
    pub(super) fn leave_groups(&mut self, id: AlertId) {
        let held = &self.held[&id];
        let (entered, subject) = (held.entered, held.alert.subject.clone());
        match &subject {
            Subject::Target(TargetSubject { series, .. })
            | Subject::Link(LinkSubject { series, .. }) => {
                let Some(seat) = self.seats.of_target(*series) else { return };
                let place = &mut self.seats.list[seat];
                if place.alert == Some(id) {
                    place.alert = None;
                    place.previous = Some(id);
                }
                for &group in &place.groups {
                    self.seats.groups[group].onsets.remove(&(entered, id));
                }
            }
            Subject::Group(group) => {
                if let Some(number) = self.seats.of_group(&group.tag, &group.value) {
                    self.seats.groups[number].alert = None;
                }
            }
            Subject::Repair(_) | Subject::Site { .. } => {}
        }
    }

    /// Lets those an alert spoke for speak for themselves.
    pub(super) fn release_members(&mut self, id: AlertId, now: UnixMs) {
        let held = self.held.get_mut(&id).expect("whoever ends an alert has just seen it");
        let members = std::mem::take(&mut held.members);
        held.open_members = 0;
        let settled = self.site.settled(now);
        for member in &members {
            let Some(held) = self.held.get_mut(member).filter(|held| held.alert.is_open()) else {
                continue;
            };
            if held.speaker != Some(id) {
                continue;
            }
            held.speaker = None;
            held.ready = settled;
            self.roots.insert(*member);
            self.change(*member).quiet.retain(|by| *by != QuietBy::Alert(id));
            self.note(*member, now, Happening::Left(id));
        }
        if let Some(held) = self.held.get_mut(&id) {
            held.members = members;
        }
    }

    /// Counts anew how many around an alert are bad, for a message that is being written.
    pub(super) fn count_neighbours(&mut self, id: AlertId) {
        let Some(held) = self.held.get(&id).filter(|held| held.alert.is_open()) else { return };
        let Subject::Target(target) = &held.alert.subject else { return };
        if let Some(seat) = self.seats.of_target(target.series) {
            self.set_neighbours(seat, id);
        }
    }

    /// How many around a seat are bad.
    fn set_neighbours(&mut self, seat: usize, id: AlertId) {
        let groups = self.seats.list[seat].groups.iter().map(|group| &self.seats.groups[*group]);
        let several = groups.filter(|group| group.total > 1);
        let neighbours = several.map(|group| Neighbours {
            tag: group.tag.clone(),
            value: group.value.clone(),
            affected: group.onsets.len() as u32,
            total: group.total,
        });
        let neighbours: Vec<Neighbours> = neighbours.collect();
        if self.held[&id].alert.neighbours != neighbours {
            self.change(id).neighbours = neighbours;
        }
    }

    /// The alert that speaks in the end.
    pub(super) fn root(&self, id: AlertId) -> AlertId {
        let mut root = id;
        while let Some(speaker) = self.held.get(&root).and_then(|held| held.speaker) {
            if !self.is_open(speaker) {
                break;
            }
            root = speaker;
        }
        root
    }
}

fn member(alert: &Alert) -> Member {
    Member {
        subject: alert.subject.clone(),
        alert: Some(alert.id),
        since: alert.since,
        state: alert.state,
    }
}
