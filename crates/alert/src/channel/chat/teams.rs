//! Microsoft Teams by a workflow ("When a Teams webhook request is received"): one Adaptive Card. Text goes as
//! runs of `RichTextBlock`, which know no Markdown, so that nothing in it becomes a link or a style. What it
//! takes: learn.microsoft.com, "Create incoming webhooks with Workflows" and adaptivecards.io, version 1.4. It
//! must not try again: `delivery` does.

use model::text::printable;
use serde_json::{Value, json};

use crate::render::{Brief, Tone};

/// Most bytes of a card. Teams refuses more than 28 KB, measured as it pleases.
const MAX_CARD: usize = 18_000;
/// Most characters of a paragraph.
const MAX_PARAGRAPH: usize = 2_000;

/// The message that says this.
pub(super) fn body(brief: &Brief) -> Value {
    let (colour, style) = match brief.tone {
        Tone::Critical => ("Attention", "attention"),
        Tone::Warning => ("Warning", "warning"),
        Tone::Info => ("Accent", "accent"),
        Tone::Good => ("Good", "good"),
    };
    let mut title = run(&brief.title);
    title["weight"] = "Bolder".into();
    title["size"] = "Medium".into();
    title["color"] = colour.into();
    let mut items = vec![json!({
        "type": "Container",
        "style": style,
        "bleed": true,
        "items": [{ "type": "RichTextBlock", "inlines": [title] }],
    })];
    let mut actions = Vec::new();
    let mut size = 0;
    for part in &brief.parts {
        let text = printable(&part.text, MAX_PARAGRAPH);
        size += text.len() + part.link.as_ref().map_or(0, |(url, _)| url.len()) + 200;
        if size > MAX_CARD {
            items.push(paragraph("There is more: see the pages of netmend."));
            break;
        }
        if !text.is_empty() {
            items.push(paragraph(&text));
        }
        if let Some((url, words)) = &part.link {
            actions.push(json!({ "type": "Action.OpenUrl", "title": words, "url": url }));
        }
    }
    let mut footer = run(&brief.footer);
    footer["isSubtle"] = true.into();
    footer["size"] = "Small".into();
    items.push(json!({ "type": "RichTextBlock", "inlines": [footer] }));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                // For the list of chats and for notifications.
                "fallbackText": brief.title,
                "msteams": { "width": "Full" },
                "body": items,
                "actions": actions,
            },
        }],
    })
}

fn paragraph(text: &str) -> Value {
    json!({ "type": "RichTextBlock", "inlines": [run(text)] })
}

fn run(text: &str) -> Value {
    json!({ "type": "TextRun", "text": text })
}
