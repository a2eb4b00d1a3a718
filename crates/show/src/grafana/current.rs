//! Dashboards as Grafana 10 and newer read them: schema version 39, panels `timeseries` and `stat`.

use serde_json::{Value, json};

use super::Source;
use super::board::{Board, Choice, Colour, Figures, GRID, Panel, Place, Shows, Unit};
use super::provision;

/// The dashboard's file.
pub(super) fn text(board: &Board, source: &Source) -> String {
    let panels: Vec<Value> = board.panels.iter().map(|one| panel(one, source)).collect();
    let choices: Vec<Value> = board.choice.iter().map(|choice| variable(choice, source)).collect();
    let board = json!({
        "annotations": { "list": [{
            "builtIn": 1,
            "datasource": { "type": "grafana", "uid": "-- Grafana --" },
            "enable": true,
            "hide": true,
            "iconColor": "rgba(0, 211, 255, 1)",
            "name": "Annotations & Alerts",
            "type": "dashboard",
        }] },
        "editable": true,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "id": null,
        "links": [{
            "asDropdown": true,
            "icon": "external link",
            "includeVars": false,
            "keepTime": true,
            "tags": ["netmend"],
            "targetBlank": false,
            "title": "netmend",
            "tooltip": "",
            "type": "dashboards",
            "url": "",
        }],
        "panels": panels,
        "refresh": "30s",
        "schemaVersion": 39,
        "tags": board.tags,
        "templating": { "list": choices },
        "time": { "from": "now-6h", "to": "now" },
        "timepicker": {},
        "timezone": "browser",
        "title": board.title,
        "uid": board.uid,
        "weekStart": "",
    });
    format!("{board:#}\n")
}

fn variable(choice: &Choice, source: &Source) -> Value {
    let Choice { name, label, query, all } = choice;
    let mut variable = json!({
        "datasource": datasource(source),
        "hide": 0,
        "includeAll": all,
        "label": label,
        "multi": true,
        "name": name,
        "options": [],
        "query": query,
        // Anew whenever the time changes; in the order of people, 2 before 10.
        "refresh": 2,
        "regex": "",
        "skipUrlSync": false,
        "sort": 7,
        "type": "query",
    });
    if *all {
        variable["current"] = json!({ "selected": true, "text": ["All"], "value": ["$__all"] });
    }
    variable
}

fn panel(panel: &Panel, source: &Source) -> Value {
    let Panel { id, title, place, shows, repeat } = panel;
    let Place { x, y, w, h } = place;
    let place = json!({ "h": h, "w": w, "x": x, "y": y });
    let (kind, figures, options, custom) = match shows {
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
        Shows::Graph(figures) => ("timeseries", figures, graph_options(), graph_style()),
        Shows::Stat(figures) => ("stat", figures, stat_options(), json!({})),
    };
    let mut defaults = json!({
        "color": { "mode": if kind == "stat" { "thresholds" } else { "palette-classic" } },
        "custom": custom,
        "mappings": [],
        "thresholds": { "mode": "absolute", "steps": steps(figures.colours) },
        "unit": figures.unit.name(),
    });
    if figures.unit == Unit::Percent {
        defaults["min"] = 0.into();
        defaults["max"] = 100.into();
    }
    let mut panel = json!({
        "datasource": datasource(source),
        "fieldConfig": { "defaults": defaults, "overrides": [] },
        "gridPos": place,
        "id": id,
        "interval": format!("{}s", figures.step_s),
        "options": options,
        "targets": [target(figures, source)],
        "title": title,
        "type": kind,
    });
    if let Some(choice) = repeat {
        panel["repeat"] = (*choice).into();
        panel["repeatDirection"] = "h".into();
        panel["maxPerRow"] = (GRID / w).into();
    }
    panel
}

fn datasource(source: &Source) -> Value {
    json!({ "type": source.name(), "uid": provision::uid(source) })
}

fn target(figures: &Figures, source: &Source) -> Value {
    let query = &figures.query;
    match source {
        Source::Influxdb { .. } => json!({
            "alias": query.legend,
            "datasource": datasource(source),
            "query": query.text,
            "rawQuery": true,
            "refId": "A",
            "resultFormat": "time_series",
        }),
        Source::Prometheus => json!({
            "datasource": datasource(source),
            "editorMode": "code",
            "expr": query.text,
            "instant": query.instant,
            "legendFormat": query.legend,
            "range": !query.instant,
            "refId": "A",
        }),
    }
}

/// The first colour has no lower end.
fn steps(colours: Option<[Colour; 3]>) -> Vec<Value> {
    let only = [Colour { name: "green", from: 0.0 }];
    let colours = colours.as_ref().map_or(&only[..], |colours| colours);
    let step = |(place, Colour { name, from }): (usize, &Colour)| {
        let from = if place == 0 { Value::Null } else { json!(from) };
        json!({ "color": name, "value": from })
    };
    colours.iter().enumerate().map(step).collect()
}

fn graph_style() -> Value {
    json!({
        "drawStyle": "line",
        "fillOpacity": 10,
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "pointSize": 5,
        "showPoints": "auto",
        "spanNulls": false,
    })
}

fn graph_options() -> Value {
    json!({
        "legend": {
            "calcs": ["mean", "max", "lastNotNull"],
            "displayMode": "table",
            "placement": "bottom",
            "showLegend": true,
        },
        "tooltip": { "mode": "multi", "sort": "desc" },
    })
}

fn stat_options() -> Value {
    json!({
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
        "showPercentChange": false,
        "textMode": "value",
        "wideLayout": true,
    })
}
