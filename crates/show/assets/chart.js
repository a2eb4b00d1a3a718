// The smoke graph and the loss strip of one target, with the detector's lines, marks and alerts. Reads the
// API, draws with uPlot; the span is in the URL, so zooming is navigating. Must not change anything outside
// #chart and #shown.
"use strict";
(() => {
  const figure = document.getElementById("chart");
  if (!figure) return;
  const note = document.getElementById("chart-note");
  const { target, series, subject, from, until, span, metric, alert } = figure.dataset;
  // A target that left the configuration is known by its series alone.
  const asked = series ? "series=" + series : "target=" + target + "&metric=" + metric + ",loss&band=usual,limit";
  // What is answered, in order: loss alone is asked for once.
  const PARTS = metric === "loss" && !series ? ["both", "usual", "limit"] : ["main", "loss", "usual", "limit"];
  const isTime = metric !== "loss", unit = isTime ? "ms" : "%", scale = isTime ? 1 / 1000 : 1;
  const query = span ? "&span=" + encodeURIComponent(span) : "&from=" + from + (until ? "&until=" + until : "");
  let smoke = null, strip = null, data = null, marks = [], alerts = [], grades = [], colours = {};

  // uPlot draws on a canvas, which knows no CSS variables: let the browser resolve them.
  function readColours() {
    const probe = document.createElement("span");
    document.body.append(probe);
    for (const name of ["text", "muted", "line", "k0", "k1", "k2", "k3", "k4", "band1", "band2", "mark", "usual", "limit", "critical", "warning", "info"]) {
      probe.style.color = "var(--" + name + ")";
      colours[name] = getComputedStyle(probe).color;
    }
    probe.remove();
  }

  const grade = (loss) => loss === null ? null : loss <= 0 ? 0 : loss <= 5 ? 1 : loss <= 20 ? 2 : loss <= 50 ? 3 : 4;

  // Buckets without samples are not sent: put all on one grid, so that gaps stay gaps.
  function shape(answer) {
    const step = answer.step_ms, count = Math.max(1, Math.round((answer.until - answer.from) / step));
    const column = Object.fromEntries(answer.columns.map((name, place) => [name, place]));
    const empty = () => new Array(count).fill(null);
    const x = Array.from({ length: count }, (_, place) => (answer.from + (place + 0.5) * step) / 1000);
    const fields = { max: empty(), p90: empty(), p50: empty(), p10: empty(), min: empty() };
    const loss = empty(), lines = { usual: empty(), limit: empty() };
    const scaled = (value) => value === null ? null : value * scale;
    for (const [number, series] of answer.series.entries()) for (const point of series.points) {
      const place = Math.floor((point[column.at] - answer.from) / step), part = PARTS[number];
      if (place < 0 || place >= count) continue;
      if (part === "loss" || part === "both") loss[place] = point[column.mean];
      if (part in lines) lines[part][place] = scaled(point[column.mean]);
      // A lost probe is 100 and another 0: of loss only the mean says something.
      if (part === "main" || part === "both") for (const name in fields) fields[name][place] = scaled(point[column[isTime ? name : "mean"]]);
    }
    grades = loss.map(grade);
    return { step, x, loss, lines, rows: [x, fields.max, fields.p90, fields.p50, fields.p10, fields.min, loss, lines.usual, lines.limit] };
  }

  // The largest of a few outliers must not press everything else flat: they are cut, the table has them.
  function range() {
    const known = (values) => values.filter((value) => value !== null).sort((a, b) => a - b);
    const highs = known(data.rows[1]), usual = known(data.rows[2]), lows = known(data.rows[5]);
    if (!highs.length) return [0, 1];
    let top = Math.max(highs[Math.floor((highs.length - 1) * 0.98)], usual[usual.length - 1], isTime ? 0 : 1) * 1.08;
    let low = lows[0];
    // The limit belongs to the picture, unless it is so far up that nothing else would be seen.
    const limits = known(data.lines.limit), usuals = known(data.lines.usual);
    if (limits.length && limits[limits.length - 1] < top * 3) top = Math.max(top, limits[limits.length - 1] * 1.06);
    if (usuals.length) low = Math.min(low, usuals[0]);
    return isTime && low > top * 0.6 ? [Math.max(0, low - (top - low) * 0.3), top] : [0, top];
  }

  // The detector's lines have a value a minute: they go on between two of these, not over a longer hole.
  function runs(values) {
    const reach = Math.max(180, data.step / 1000 * 2), found = [];
    let run = null, last = 0;
    values.forEach((value, place) => {
      if (value === null) return;
      if (!run || data.x[place] - last > reach) { run = []; found.push(run); }
      run.push(place); last = data.x[place];
    });
    return found;
  }

  // From usual to the limit is where values may be.
  function drawLines(u) {
    const { ctx } = u, x = (place) => u.valToPos(data.x[place], "x", true), y = (value) => u.valToPos(value, "y", true);
    ctx.save();
    ctx.beginPath(); ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height); ctx.clip();
    const { usual, limit } = data.lines;
    ctx.fillStyle = colours.usual; ctx.globalAlpha = 0.13;
    for (const run of runs(usual.map((value, place) => limit[place] === null ? null : value))) {
      ctx.beginPath();
      for (const place of run) ctx.lineTo(x(place), y(limit[place]));
      for (const place of run.toReversed()) ctx.lineTo(x(place), y(usual[place]));
      ctx.closePath(); ctx.fill();
    }
    ctx.globalAlpha = 1; ctx.lineWidth = devicePixelRatio;
    for (const [name, values] of [["usual", usual], ["limit", limit]]) {
      ctx.strokeStyle = colours[name];
      ctx.setLineDash(name === "limit" ? [5 * devicePixelRatio, 3 * devicePixelRatio] : []);
      for (const run of runs(values)) {
        ctx.beginPath();
        for (const place of run) ctx.lineTo(x(place), y(values[place]));
        ctx.stroke();
      }
    }
    ctx.restore();
  }

  // The time of an alert is shaded; its number stands at the bottom, where no mark is.
  function drawAlerts(u) {
    const { ctx, bbox } = u, right = bbox.left + bbox.width;
    ctx.save();
    ctx.font = "600 " + 11 * devicePixelRatio + "px system-ui, sans-serif"; ctx.textBaseline = "bottom"; ctx.textAlign = "left";
    let free = -Infinity;
    for (const each of alerts.toReversed()) {
      const begin = Math.max(bbox.left, u.valToPos(Date.parse(each.since) / 1000, "x", true));
      const end = Math.min(right, each.ended ? u.valToPos(Date.parse(each.ended) / 1000, "x", true) : right);
      if (begin > right || end < bbox.left) continue;
      const own = !alert || String(each.id) === alert, width = Math.max(end - begin, 2 * devicePixelRatio);
      ctx.fillStyle = ctx.strokeStyle = colours[each.severity] || colours.mark;
      ctx.globalAlpha = own ? 0.14 : 0.06; ctx.fillRect(begin, bbox.top, width, bbox.height);
      ctx.globalAlpha = own ? 0.9 : 0.45; ctx.fillRect(begin, bbox.top, Math.max(1, 1.5 * devicePixelRatio), bbox.height);
      const words = "#" + each.id, left = Math.min(begin + 5 * devicePixelRatio, right - ctx.measureText(words).width);
      if (left < free) continue;
      ctx.globalAlpha = own ? 1 : 0.7; ctx.fillText(words, left, bbox.top + bbox.height - 3 * devicePixelRatio);
      free = left + ctx.measureText(words).width + 6 * devicePixelRatio;
    }
    ctx.restore();
  }

  function drawMedian(u) {
    const { ctx } = u, half = Math.max(1, (u.valToPos(data.x[0] + data.step / 1000, "x", true) - u.valToPos(data.x[0], "x", true)) / 2);
    const width = Math.max(2, Math.round(2 * devicePixelRatio));
    ctx.save();
    ctx.beginPath(); ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height); ctx.clip();
    let before = null;
    data.rows[3].forEach((median, place) => {
      if (median === null) { before = null; return; }
      const x = u.valToPos(data.x[place], "x", true), y = u.valToPos(median, "y", true);
      ctx.strokeStyle = ctx.fillStyle = colours["k" + (grades[place] || 0)];
      if (before) { ctx.lineWidth = width / 2; ctx.beginPath(); ctx.moveTo(before.x, before.y); ctx.lineTo(x - half, y); ctx.stroke(); }
      ctx.fillRect(x - half, y - width / 2, Math.max(half * 2, width), width);
      before = { x: x + half, y };
    });
    ctx.restore();
  }

  function drawMarks(u) {
    const { ctx } = u;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colours.mark;
    ctx.lineWidth = devicePixelRatio; ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.font = 11 * devicePixelRatio + "px system-ui, sans-serif"; ctx.textBaseline = "top"; ctx.textAlign = "left";
    const free = [-Infinity, -Infinity, -Infinity];
    for (const mark of [...marks].sort((a, b) => a.at - b.at)) {
      const x = Math.round(u.valToPos(mark.at / 1000, "x", true));
      if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
      ctx.beginPath(); ctx.moveTo(x, u.bbox.top); ctx.lineTo(x, u.bbox.top + u.bbox.height); ctx.stroke();
      // A label stands right of its line, left of it at the edge; below another one, or nowhere.
      const long = ctx.measureText(mark.kind).width, gap = 4 * devicePixelRatio;
      const left = x + gap + long > u.bbox.left + u.bbox.width ? x - gap - long : x + gap;
      const row = free.findIndex((end) => left >= end);
      if (row < 0) continue;
      ctx.fillText(mark.kind, left, u.bbox.top + gap / 2 + row * 14 * devicePixelRatio);
      free[row] = left + long + 2 * gap;
    }
    ctx.restore();
  }

  function drawStrip(u) {
    const { ctx } = u, width = Math.max(1, u.valToPos(data.x[0] + data.step / 1000, "x", true) - u.valToPos(data.x[0], "x", true));
    ctx.save();
    grades.forEach((level, place) => {
      if (level === null) return;
      const x = u.valToPos(data.x[place], "x", true) - width / 2;
      // Height tells it too: some loss half way up, all of it full.
      const share = level === 0 ? 0.25 : 0.4 + 0.15 * level;
      ctx.fillStyle = colours["k" + level]; ctx.globalAlpha = level === 0 ? 0.45 : 1;
      ctx.fillRect(x, u.bbox.top + u.bbox.height * (1 - share), Math.ceil(width), u.bbox.height * share);
    });
    ctx.restore();
  }

  const number = (unit) => (_, value) => value === null || value === undefined ? "–" : value.toFixed(unit === "%" ? 1 : value < 1 ? 3 : 2) + " " + unit;
  const width = () => Math.max(280, figure.clientWidth);
  const zoned = (seconds) => uPlot.tzDate(new Date(seconds * 1000), netmend.zone);
  const bounds = () => [data.x[0] - data.step / 2000, data.x[data.x.length - 1] + data.step / 2000];
  const none = () => null;

  function zoom(u) {
    if (u.select.width < 6) return;
    const at = (left) => Math.round(u.posToVal(left, "x") * 1000);
    const kept = new URLSearchParams(location.search).get("metric");
    location.search = "?from=" + at(u.select.left) + "&until=" + at(u.select.left + u.select.width) + (kept ? "&metric=" + encodeURIComponent(kept) : "");
  }

  function build() {
    if (smoke) { smoke.destroy(); strip.destroy(); document.getElementById("legend").replaceChildren(); }
    readColours();
    const axis = { stroke: colours.muted, grid: { stroke: colours.line, width: 1 }, ticks: { stroke: colours.line, width: 1, size: 4 }, font: "11px system-ui, sans-serif" };
    const hidden = (label, unit, scale) => ({ label, scale: scale || "y", paths: none, points: { show: false }, value: number(unit) });
    const edge = (label) => ({ label, stroke: "transparent", width: 0, points: { show: false }, value: number(unit) });
    const shared = { tzDate: zoned, cursor: { drag: { x: true, y: false, setScale: false }, sync: { key: "target" }, points: { show: false } } };
    smoke = new uPlot({
      ...shared, width: width(), height: width() < 500 ? 240 : 340, padding: [12, 18, 0, 0],
      // A fixed form, since the same page is read by people everywhere: 24 h clock and ISO dates.
      scales: { x: { range: bounds }, y: { range }, loss: { range: [0, 100] } },
      legend: { mount: (_, element) => document.getElementById("legend").append(element) },
      axes: [{ ...axis, values: (_, ticks, __, ___, step) => netmend.ticks(ticks, step), space: 70, size: 28 }, { ...axis, size: 56, space: 44, values: (_, ticks) => ticks.map(String), label: unit, labelSize: 16, labelFont: axis.font }],
      series: [
        { label: netmend.zone, value: (_, at) => at === null ? "–" : netmend.stamp(at * 1000) },
        edge("max"), edge("90 %"), hidden(isTime ? "median" : "mean", unit), edge("10 %"), edge("min"), hidden("loss", "%", "loss"),
        hidden("usual", unit), hidden("limit", unit),
      ],
      bands: [{ series: [1, 5], fill: colours.band2 }, { series: [2, 4], fill: colours.band1 }],
      hooks: { drawAxes: [drawAlerts, drawLines], draw: [drawMedian, drawMarks], setSelect: [zoom] },
    }, data.rows, document.getElementById("smoke"));
    strip = new uPlot({
      ...shared, width: width(), height: 24, padding: [2, 18, 2, 0], legend: { show: false },
      scales: { x: { range: bounds }, y: { range: [0, 100] } },
      axes: [{ show: false }, { ...axis, size: 72, values: () => ["loss"], splits: () => [50], grid: { show: false }, ticks: { show: false } }],
      series: [{}, hidden("loss", "%", "y")],
      hooks: { draw: [drawStrip], setSelect: [zoom] },
    }, [data.x, data.loss], document.getElementById("loss"));
    figure.dataset.drawn = String(data.rows[3].filter((median) => median !== null).length);
  }

  async function load() {
    try {
      const [answer, noted, told] = await Promise.all([
        fetch("/api/v1/range?" + asked + query),
        fetch("/api/v1/marks?subject=" + encodeURIComponent(subject) + query),
        fetch("/api/v1/alerts?state=firing,no_data,resolved,accepted&target=" + target + query),
      ].map(async (asked) => { const got = await asked, body = await got.json(); if (!got.ok) throw new Error(body.error); return body; }));
      data = shape(answer); marks = noted.marks; alerts = told.alerts;
      // The span goes on with time; that of the marks is not widened to whole steps.
      const shown = document.querySelectorAll("#shown time");
      if (shown.length === 2) { netmend.put(shown[0], noted.from); netmend.put(shown[1], noted.until, true); }
      const merged = answer.series.some((series) => series.points.some((point) => point[answer.columns.indexOf("merged")]));
      note.textContent = merged ? "older percentiles are merged from minutes" : "";
      if (smoke) { smoke.setData(data.rows); strip.setData([data.x, data.loss]); figure.dataset.drawn = String(answer.series[0].points.length); } else build();
      figure.dataset.shaded = String(alerts.length);
      figure.dataset.lines = String(data.lines.usual.filter((value) => value !== null).length);
    } catch (error) {
      note.textContent = "The past cannot be shown: " + error.message;
    }
  }

  addEventListener("netmend:theme", () => data && build());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => data && build());
  new ResizeObserver(() => {
    if (smoke && smoke.width !== width()) { smoke.setSize({ width: width(), height: smoke.height }); strip.setSize({ width: width(), height: strip.height }); }
  }).observe(figure);
  figure.addEventListener("dblclick", () => { if (!span) history.back(); });
  load();
  if (span || !until) setInterval(() => { if (!document.hidden) load(); }, 15000);
})();
