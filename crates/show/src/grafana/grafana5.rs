//! Dashboards as Grafana 5 to 7 read them: schema version 16, panels `graph` and `singlestat`, as the
//! dashboards of network-telemetry are.

use serde_json::{Value, json};

use super::Source;
use super::board::{Board, Choice, Colour, Figures, Panel, Place, Shows};
use super::provision;

/// The dashboard's file.
pub(super) fn text(board: &Board, source: &Source) -> String {
    let panels: Vec<Value> = board.panels.iter().map(|one| panel(one, source)).collect();
    let choices: Vec<Value> = board.choice.iter().map(variable).collect();
    let board = json!({
        "annotations": { "list": [{
            "builtIn": 1,
            "datasource": "-- Grafana --",
            "enable": true,
            "hide": true,
            "iconColor": "rgba(0, 211, 255, 1)",
            "name": "Annotations & Alerts",
            "type": "dashboard",
        }] },
        "editable": true,
        "gnetId": null,
        "graphTooltip": 1,
        "id": null,
        "links": [{
            "asDropdown": true,
            "icon": "external link",
            "keepTime": true,
            "tags": ["netmend"],
            "title": "netmend",
            "type": "dashboards",
        }],
        "panels": panels,
        "refresh": "30s",
        "schemaVersion": 16,
        "style": "dark",
        "tags": board.tags,
        "templating": { "list": choices },
        "time": { "from": "now-6h", "to": "now" },
        "timepicker": {
            "refresh_intervals": ["5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h", "2h", "1d"],
            "time_options": ["5m", "15m", "1h", "6h", "12h", "24h", "2d", "7d", "30d"],
        },
        "timezone": "browser",
        "title": board.title,
        "uid": board.uid,
        "version": 1,
    });
    format!("{board:#}\n")
}

fn variable(choice: &Choice) -> Value {
    let Choice { name, label, query, all } = choice;
    let current = if *all { json!({ "text": "All", "value": ["$__all"] }) } else { json!({}) };
    json!({
        "allValue": null,
        "current": current,
        "datasource": provision::NAME,
        "hide": 0,
        "includeAll": all,
        "label": label,
        "multi": true,
        "name": name,
        "options": [],
        "query": query,
        "refresh": 2,
        "regex": "",
        "sort": 1,
        "tagValuesQuery": "",
        "tags": [],
        "tagsQuery": "",
        "type": "query",
        "useTags": false,
    })
}

fn panel(panel: &Panel, source: &Source) -> Value {
    let Panel { id, title, place: Place { x, y, w, h }, shows, repeat } = panel;
    let place = json!({ "h": h, "w": w, "x": x, "y": y });
    let (figures, mut value) = match shows {
        Shows::Heading => {
            return json!({
                "collapsed": false,
                "gridPos": place,
                "id": id,
                "panels": [],
                "title": title,
                "type": "row",
            });
        }
        Shows::Graph(figures) => (figures, graph(figures)),
        Shows::Stat(figures) => (figures, singlestat(figures)),
    };
    value["datasource"] = provision::NAME.into();
    value["gridPos"] = place;
    value["id"] = (*id).into();
    value["interval"] = format!("{}s", figures.step_s).into();
    value["links"] = json!([]);
    value["targets"] = json!([target(figures, source)]);
    value["title"] = title.as_str().into();
    if let Some(choice) = repeat {
        value["repeat"] = (*choice).into();
        value["repeatDirection"] = "h".into();
        value["minSpan"] = (*w).into();
    }
    value
}

fn target(figures: &Figures, source: &Source) -> Value {
    let query = &figures.query;
    match source {
        Source::Influxdb { .. } => json!({
            "alias": query.legend,
            "query": query.text,
            "rawQuery": true,
            "refId": "A",
            "resultFormat": "time_series",
        }),
        Source::Prometheus => json!({
            // `$__rate_interval` came with Grafana 7.2. The window then is a step, which must hold two scrapes.
            "expr": query.text.replace("$__rate_interval", "$__interval"),
            "format": "time_series",
            "instant": query.instant,
            "interval": if query.instant { String::new() } else { format!("{}s", figures.step_s.max(60)) },
            "intervalFactor": 1,
            "legendFormat": query.legend,
            "refId": "A",
        }),
    }
}

fn graph(figures: &Figures) -> Value {
    json!({
        "aliasColors": {},
        "bars": false,
        "dashLength": 10,
        "dashes": false,
        "fill": 1,
        "legend": {
            "alignAsTable": true,
            "avg": true,
            "current": true,
            "max": true,
            "min": false,
            "show": true,
            "total": false,
            "values": true,
        },
        "lines": true,
        "linewidth": 1,
        "nullPointMode": "null",
        "percentage": false,
        "pointradius": 5,
        "points": false,
        "renderer": "flot",
        "seriesOverrides": [],
        "spaceLength": 10,
        "stack": false,
        "steppedLine": false,
        "thresholds": [],
        "timeFrom": null,
        "timeShift": null,
        "tooltip": { "shared": true, "sort": 2, "value_type": "individual" },
        "type": "graph",
        "xaxis": { "buckets": null, "mode": "time", "name": null, "show": true, "values": [] },
        "yaxes": [
            { "format": figures.unit.name(), "label": null, "logBase": 1, "max": null, "min": null, "show": true },
            { "format": "short", "label": null, "logBase": 1, "max": null, "min": null, "show": false },
        ],
        "yaxis": { "align": false, "alignLevel": null },
    })
}

fn singlestat(figures: &Figures) -> Value {
    let colours = figures.colours.iter().flatten();
    let names: Vec<&str> = colours.clone().map(|Colour { name, .. }| *name).collect();
    let limits: Vec<String> = colours.skip(1).map(|Colour { from, .. }| from.to_string()).collect();
    json!({
        "cacheTimeout": null,
        "colorBackground": false,
        "colorValue": !names.is_empty(),
        "colors": names,
        "decimals": null,
        "format": figures.unit.name(),
        "gauge": {
            "maxValue": 100,
            "minValue": 0,
            "show": false,
            "thresholdLabels": false,
            "thresholdMarkers": true,
        },
        "mappingType": 1,
        "mappingTypes": [{ "name": "value to text", "value": 1 }, { "name": "range to text", "value": 2 }],
        "maxDataPoints": 100,
        "nullPointMode": "connected",
        "nullText": null,
        "postfix": "",
        "postfixFontSize": "50%",
        "prefix": "",
        "prefixFontSize": "50%",
        "rangeMaps": [],
        "sparkline": {
            "fillColor": "rgba(31, 118, 189, 0.18)",
            "full": false,
            "lineColor": "rgb(31, 120, 193)",
            "show": !figures.query.instant,
        },
        "tableColumn": "",
        "thresholds": limits.join(","),
        "type": "singlestat",
        "valueFontSize": "80%",
        "valueMaps": [{ "op": "=", "text": "no data", "value": "null" }],
        "valueName": "current",
    })
}
