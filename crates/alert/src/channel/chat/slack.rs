//! Slack by an incoming webhook: one message with a coloured bar. Text goes as `plain_text`, so that nothing in
//! it becomes a mention, a link or a style; links of our own are the only markup. What Slack takes:
//! docs.slack.dev, "Sending messages using incoming webhooks" and "Block Kit". It must not try again: `delivery`
//! does.

use model::text::printable;
use serde_json::{Value, json};

use crate::render::{Brief, Tone};

/// Most characters of a text in a section (Block Kit: 3,000).
const MAX_SECTION: usize = 2_900;
/// Most characters of a header (Block Kit: 150).
const MAX_HEADER: usize = 150;

/// The message that says this.
pub(super) fn body(brief: &Brief) -> Value {
    let plain = |text: &str| json!({ "type": "plain_text", "text": text, "emoji": false });
    let mut blocks =
        vec![json!({ "type": "header", "text": plain(&printable(&brief.title, MAX_HEADER)) })];
    for part in &brief.parts {
        let text = printable(&part.text, MAX_SECTION);
        if !text.is_empty() {
            blocks.push(json!({ "type": "section", "text": plain(&text) }));
        }
        if let Some((url, words)) = &part.link {
            let link = format!("<{}|{}>", escape(url).replace('|', "%7C"), escape(words));
            let elements = json!([{ "type": "mrkdwn", "text": link, "verbatim": true }]);
            blocks.push(json!({ "type": "context", "elements": elements }));
        }
    }
    blocks.push(json!({ "type": "context", "elements": [plain(&brief.footer)] }));
    let colour = match brief.tone {
        Tone::Critical => "#cc0000",
        Tone::Warning => "#e8a200",
        Tone::Info => "#3871c2",
        Tone::Good => "#2e8540",
    };
    // `text` is for notifications and for readers without blocks.
    json!({
        "text": escape(&brief.title),
        "attachments": [{ "color": colour, "fallback": escape(&brief.title), "blocks": blocks }],
    })
}

/// The three signs that mean something outside of `plain_text`.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
