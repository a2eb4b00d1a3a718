//! A report that is no alert, such as that of one poll from cron: it has no thread, no acknowledgement and
//! no end. It goes to the same receivers in the same dress; what it says is its writer's affair.

use maud::{DOCTYPE, html};
use model::alert::{Message, MessageKind};
use model::text::printable;
use model::{Severity, UnixMs};

use crate::render::{Brief, Mail, Part, Tone};

/// Longest subject in characters.
const MAX_SUBJECT: usize = 160;

/// A report, ready to be sent.
#[derive(Clone, Debug)]
pub struct Letter {
    pub(crate) message: Message,
    pub(crate) mail: Mail,
    pub(crate) json: Vec<u8>,
}

impl Letter {
    /// A report from `site`. `paragraphs` are the text; `json` is what webhooks get. `id` tells it from all
    /// others of this sender: letters, digits and `-`.
    pub fn new(
        (site, at, id): (&str, UnixMs, &str),
        subject: &str,
        paragraphs: &[String],
        json: Vec<u8>,
    ) -> Self {
        let subject = printable(subject, MAX_SUBJECT);
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head { meta charset="utf-8"; title { (subject) } }
                body style="font-family:system-ui,sans-serif;font-size:15px;line-height:1.45" {
                    @for paragraph in paragraphs {
                        p style="white-space:pre-line" { (paragraph) }
                    }
                }
            }
        };
        let mut text = paragraphs.join("\n\n");
        text.push('\n');
        let message = Message {
            kind: MessageKind::Firing,
            site: site.to_owned(),
            at,
            thread: id.to_owned(),
            number: 1,
            severity: Severity::Warning,
            alerts: Vec::new(),
            open: 0,
            resolved: 0,
            accepted: 0,
            pages: None,
        };
        let mail = Mail { subject, text, html: page.into_string(), chart: None };
        Self { message, mail, json }
    }

    /// The report in few words.
    pub(crate) fn brief(&self) -> Brief {
        let paragraphs = self.mail.text.split("\n\n");
        Brief {
            title: self.mail.subject.clone(),
            parts: paragraphs.map(|text| Part { text: text.to_owned(), link: None }).collect(),
            footer: format!("netmend at {}", printable(&self.message.site, 80)),
            tone: Tone::Warning,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_named_is_escaped_in_html_and_kept_in_text() {
        let paragraphs = ["<b>東京</b>\n  20 ms".to_owned(), "end".to_owned()];
        let letter =
            Letter::new(("here", UnixMs(0), "wan-1"), "WAN\r\nBcc: x", &paragraphs, Vec::new());
        assert_eq!(letter.mail.subject, "WAN Bcc: x");
        assert_eq!(letter.mail.text, "<b>東京</b>\n  20 ms\n\nend\n");
        assert!(letter.mail.html.contains("&lt;b&gt;東京&lt;/b&gt;"), "{}", letter.mail.html);
    }
}
