// The traffic of one interface: received above the line, sent below it. Reads the API, draws with uPlot; the
// span is in the URL, so zooming is navigating. Must not change anything outside #traffic.
"use strict";
(() => {
  const figure = document.getElementById("traffic");
  if (!figure) return;
  const note = document.getElementById("flow-note");
  const { series, from, until, span, narrowest } = figure.dataset;
  const ids = series.split(",").slice(0, 2);
  let plot = null, rows = null, step = 60000, colours = {};

  // uPlot draws on a canvas, which knows no CSS variables: let the browser resolve them.
  function readColours() {
    const probe = document.createElement("span");
    document.body.append(probe);
    for (const name of ["text", "muted", "line", "flow-in", "flow-out"]) {
      probe.style.color = "var(--" + name + ")";
      colours[name] = getComputedStyle(probe).color;
    }
    probe.remove();
  }

  const UNITS = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"];
  function bits(value) {
    if (value === null || value === undefined) return "–";
    let size = Math.abs(value), unit = 0;
    while (size >= 999.5 && unit + 1 < UNITS.length) { size /= 1000; unit += 1; }
    return (size >= 99.95 || size === Math.round(size) ? size.toFixed(0) : size >= 9.995 ? size.toFixed(1) : size.toFixed(2)) + " " + UNITS[unit];
  }

  // Buckets without samples are not sent: put all on one grid, so that gaps stay gaps.
  function shape(answer) {
    step = answer.step_ms;
    const count = Math.max(1, Math.round((answer.until - answer.from) / step));
    const column = Object.fromEntries(answer.columns.map((name, place) => [name, place]));
    const x = Array.from({ length: count }, (_, place) => (answer.from + (place + 0.5) * step) / 1000);
    const both = [0, 1].map(() => new Array(count).fill(null));
    answer.series.forEach((one, number) => {
      for (const point of one.points) {
        const place = Math.floor((point[column.at] - answer.from) / step);
        if (place >= 0 && place < count) both[number][place] = (number ? -1 : 1) * point[column.mean];
      }
    });
    return [x, ...both];
  }

  const width = () => Math.max(280, figure.clientWidth);

  function zoom(u) {
    if (u.select.width < 6) return;
    const at = (left) => Math.round(u.posToVal(left, "x") * 1000);
    location.search = "?from=" + at(u.select.left) + "&until=" + at(u.select.left + u.select.width);
  }

  function build() {
    if (plot) plot.destroy();
    readColours();
    const axis = { stroke: colours.muted, grid: { stroke: colours.line, width: 1 }, ticks: { stroke: colours.line, width: 1, size: 4 }, font: "11px system-ui, sans-serif" };
    const flow = (label, colour) => ({ label, stroke: colour, fill: colour.replace("rgb(", "rgba(").replace(")", ", .22)"), width: 1.4, paths: uPlot.paths.stepped({ align: 0 }), points: { show: false }, spanGaps: false, value: (_, value) => bits(value) });
    plot = new uPlot({
      width: width(), height: 280,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), netmend.zone),
      cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false } },
      scales: {
        x: { time: true },
        // The larger direction decides, so that the line between them stays where the eye expects it.
        y: { range: (_, low, high) => { const most = Math.max(Math.abs(low || 0), Math.abs(high || 0), 1000) * 1.08; const quiet = rows[2].every((value) => !value); return [quiet ? 0 : -most, most]; } },
      },
      axes: [{ ...axis, values: (_, ticks, __, ___, step) => netmend.ticks(ticks, step), space: 70, size: 28 }, { ...axis, size: 78, values: (_, splits) => splits.map(bits) }],
      series: [{ label: netmend.zone, value: (_, at) => at === null ? "–" : netmend.stamp(at * 1000) }, flow("in", colours["flow-in"]), flow("out", colours["flow-out"])],
      hooks: { setSelect: [zoom] },
    }, rows, document.getElementById("flow"));
  }

  async function load() {
    const when = span ? "&span=" + encodeURIComponent(span) : "&from=" + from + "&until=" + until;
    const wide = Number(until) - Number(from);
    // A step holds at least two polls, so that a chart has no holes that are not in the data.
    const wanted = Math.max(Number(narrowest), wide / 600 / 1000);
    const steps = [2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
    const chosen = steps.find((one) => one >= wanted) || Math.ceil(wanted / 86400) * 86400;
    try {
      const answer = await fetch("/api/v1/range?series=" + ids.join(",") + when + "&step=" + chosen + "s");
      const body = await answer.json();
      if (!answer.ok) throw new Error(body.error);
      rows = shape(body);
      const known = rows[1].some((value) => value !== null) || rows[2].some((value) => value !== null);
      note.textContent = known ? "" : "Nothing was read in this span.";
      build();
    } catch (error) {
      note.textContent = "The chart could not be loaded: " + error.message;
    }
  }

  window.addEventListener("resize", () => { if (plot) plot.setSize({ width: width(), height: 280 }); });
  addEventListener("netmend:theme", () => { if (rows) build(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (rows) build(); });
  load();
  if (span) setInterval(() => { if (!document.hidden) load(); }, Math.max(15, Number(narrowest) / 2) * 1000);
})();
