//! A mail as bytes (RFC 5322, MIME): text and HTML as alternatives, the chart within the HTML. It must not
//! word anything.

use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use model::Severity;
use model::alert::Message;

use crate::channel::SendError;
use crate::render::Mail;

/// The mail of `message`, to all of `to`, whoever of them gets this copy.
pub(super) fn bytes(
    message: &Message,
    mail: Mail,
    from: &Mailbox,
    to: &[Mailbox],
) -> Result<Vec<u8>, SendError> {
    let domain = from.email.domain();
    let id = |number: u32| format!("<{}.{number}.netmend@{domain}>", message.thread);
    let date = Duration::from_millis(u64::try_from(message.at.0).unwrap_or(0));
    let mut builder = lettre::Message::builder()
        .from(from.clone())
        .subject(mail.subject)
        .date(SystemTime::UNIX_EPOCH + date)
        .message_id(Some(id(message.number)));
    for mailbox in to {
        builder = builder.to(mailbox.clone());
    }
    if message.number > 1 {
        // The whole thread hangs below its first mail, also where one between is missing.
        builder = builder.in_reply_to(id(1)).references(id(1));
    }
    // No automatic answer may come back to us or start a loop (RFC 3834, 5; Exchange has its own word).
    let mut headers = vec![
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("X-Auto-Response-Suppress", "All".to_owned()),
        ("X-Netmend-Kind", message.kind.name().to_owned()),
        ("X-Netmend-Severity", message.severity.as_str().to_owned()),
    ];
    if message.severity == Severity::Critical && message.open > 0 {
        headers.push(("Importance", "high".to_owned()));
    }
    for (name, value) in headers {
        builder = builder.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
    }
    let html = SinglePart::html(mail.html);
    let alternative = MultiPart::alternative().singlepart(SinglePart::plain(mail.text));
    let parts = match mail.chart {
        None => alternative.singlepart(html),
        Some(chart) => {
            let png = ContentType::parse("image/png").expect("image/png is a media type");
            let chart = Attachment::new_inline(Mail::CHART.to_owned()).body(chart, png);
            let related = MultiPart::related().singlepart(html).singlepart(chart);
            alternative.multipart(related)
        }
    };
    let formatted = builder.multipart(parts).map_err(|error| SendError::Unsendable {
        what: format!("mail {} of {}", message.number, message.thread),
        why: error.to_string(),
    })?;
    Ok(formatted.formatted())
}
