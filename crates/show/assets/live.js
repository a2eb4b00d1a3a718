// Keeps the rows in view live: tells the server which ones they are, and puts into place what it sends.
// Draws the two strips as `strips.rs` does. Sets text and attributes only, never HTML.
"use strict";
(() => {
  const LEVELS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
  const SLOTS = 60, MAX_KEYS = 400, STALE_MS = 12000;
  // Lists of alerts are fetched again when one came or went, and for their values now and then.
  const SOONEST_MS = 2000, LATEST_MS = 15000;
  const fetched = new Map();
  let rows = new Map(), visible = new Set(), source = null, asked = "", timer = 0, lastAt = 0, retry = 2000;
  // Spans are counted by the server's clock, whatever this machine's shows.
  let skew = Date.now() - Number(document.getElementById("live").dataset.at);

  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) { unfold(entry.target); visible.add(entry.target); } else visible.delete(entry.target);
    }
    later();
  }, { rootMargin: "200px" });

  // Thousands of tiles are watched by region, and one by one only where the region is near.
  const regions = new IntersectionObserver((entries) => {
    for (const entry of entries) for (const tile of entry.target.children) {
      if (entry.isIntersecting) { know(tile); observer.observe(tile); }
      else { observer.unobserve(tile); visible.delete(tile); }
    }
    later();
  }, { rootMargin: "400px" });

  const key = (element) => element.dataset.k || element.pathname.slice(9, 25);

  // A tile far down the page came as one element: it gets the others when it comes near.
  function unfold(tile) {
    if (!tile.dataset.v) return;
    const [rtt, jitter, loss] = tile.dataset.v.split(" ");
    const part = (tag, className, textContent) => Object.assign(document.createElement(tag), { className, textContent });
    tile.replaceChildren(part("span", "h", tile.textContent), part("b", "v-rtt", rtt), part("i", "v-jitter", jitter), part("u", "v-loss", loss));
    tile.removeAttribute("data-v");
  }

  function know(element) {
    const known = rows.get(key(element));
    if (!known) rows.set(key(element), [element]); else if (!known.includes(element)) known.push(element);
  }

  function scan() {
    observer.disconnect(); regions.disconnect();
    rows = new Map(); visible = new Set();
    for (const element of document.querySelectorAll("[data-k]")) { know(element); observer.observe(element); }
    for (const element of document.querySelectorAll(".tiles")) regions.observe(element);
    later();
  }

  function later() { clearTimeout(timer); timer = setTimeout(connect, 250); }

  function connect() {
    if (document.hidden) return;
    const seen = [...visible].filter((element) => element.isConnected);
    const keys = [...new Set(seen.map(key))].slice(0, MAX_KEYS).sort();
    const full = seen.some((element) => element.querySelector(".cells"));
    const alert = document.getElementById("alert-now");
    const about = (alert ? "&alert=" + alert.dataset.alertId : "") + (document.querySelector("[data-events]") ? "&events=yes" : "");
    const url = "/live?parts=" + (full ? "full" : "short") + about + "&rows=" + keys.join(",");
    if (source && source.readyState !== EventSource.CLOSED && url === asked) return;
    if (source) source.close();
    asked = url;
    source = new EventSource(url);
    source.onmessage = (event) => { retry = 2000; show(JSON.parse(event.data)); };
    source.onerror = () => {
      // A refusal closes for good: ask again, ever more patiently. Who is logged out is sent to the login.
      if (source.readyState === EventSource.CLOSED) {
        fetch("/api/v1/me").then((answer) => { if (answer.status === 401) location.reload(); }, () => {}); setTimeout(later, retry); retry = Math.min(retry * 2, 60000); }
    };
  }

  function show(news) {
    skew = Date.now() - news.at;
    for (const row of news.rows) for (const element of rows.get(row[0]) || []) update(element, row);
    for (const item of document.querySelectorAll("[data-count]")) {
      const count = news.counts[item.dataset.count] || 0;
      item.querySelector("b").textContent = count.toLocaleString("en").replaceAll(",", "\u202f");
      item.hidden = count === 0 && item.dataset.count !== "up";
    }
    for (const badge of document.querySelectorAll(".calling")) {
      badge.hidden = news.calling === 0;
      badge.textContent = String(news.calling);
      swapClass(badge, "al-", news.worst || "none");
    }
    // A daemon that stands still sends the same time again and again: that is not live.
    const live = document.getElementById("live");
    if (!lastAt || live.dataset.at !== String(news.at)) {
      lastAt = Date.now();
      live.className = "on"; live.dataset.at = news.at;
      const time = document.createElement("time");
      netmend.put(time, news.at, true);
      live.replaceChildren("live · ", time);
    }
    const wrong = document.getElementById("wrong");
    if (wrong && wrong.dataset.mark !== news.wrong) {
      wrong.dataset.mark = news.wrong;
      htmx.ajax("GET", "/?part=wrong", { target: "#wrong", swap: "outerHTML" });
    }
    for (const list of document.querySelectorAll("[data-alerts]")) renew(list, list.dataset.alerts !== news.alerts);
    for (const list of document.querySelectorAll("[data-events]")) renew(list, list.dataset.events !== news.events);
    const alert = document.getElementById("alert-now");
    // One that is over stays as it is, unless it is bad again.
    if (alert && (news.alert || !alert.hasAttribute("data-over"))) renew(alert, alert.dataset.alertMark !== news.alert);
  }

  // Fetches a section again: soon if it changed, else once in a while for its values.
  function renew(section, changed) {
    const now = Date.now(), since = now - (fetched.get(section.id) ?? now);
    if (!fetched.has(section.id)) fetched.set(section.id, now);
    if (changed ? fetched.get(section.id + "!") && since < SOONEST_MS : since < LATEST_MS) return;
    fetched.set(section.id, now); fetched.set(section.id + "!", true);
    htmx.ajax("GET", section.dataset.from, { target: "#" + section.id, select: "#" + section.id, swap: "outerHTML" });
  }

  function update(element, row) {
    const [, state, words, rtt, median, jitter, loss, grade, since, standing, levels, cells] = row;
    unfold(element);
    swapClass(element, "st-", state);
    for (const shape of element.querySelectorAll(".badge .s")) swapClass(shape, "s-", state);
    for (const badge of element.querySelectorAll(".badge")) swapClass(badge, "st-", state);
    if (!text(element, ".v-state", words) && state !== "up") {
      const word = document.createElement("span");
      word.className = "v-state"; word.textContent = words;
      element.append(word);
    }
    stand(element, standing);
    text(element, ".v-rtt", rtt);
    text(element, ".v-median", median);
    text(element, ".v-jitter", jitter);
    const cell = text(element, ".v-loss", loss);
    if (cell) cell.dataset.loss = grade;
    const age = element.querySelector(".v-since");
    if (age) { age.dataset.since = since; tickOne(age, Date.now()); }
    if (levels === undefined) return;
    const spark = element.querySelector(".spark path");
    if (spark) spark.setAttribute("d", sparkPath(levels));
    const strip = element.querySelector(".cells");
    if (!strip) return;
    strip.querySelector(".c-ok").setAttribute("d", cellsPath(cells, "o"));
    strip.querySelector(".c-unknown").setAttribute("d", cellsPath(cells, "?"));
    strip.querySelector(".c-lost").setAttribute("d", cellsPath(cells, "x"));
    const lost = cells.split("x").length - 1;
    strip.setAttribute("aria-label", lost + " of the last " + cells.length + " probes lost");
  }

  // What the detector says, beside the name; within a tile, which is a link itself, as mere words.
  function stand(element, standing) {
    let found = element.querySelector(".v-alert");
    if (!standing) { if (found) found.remove(); return; }
    const wrong = element.querySelector(".c-why"), narrow = !wrong && element.querySelector(".c-state");
    if (!found) {
      const place = wrong || narrow || element.querySelector(".h, .who");
      if (!place) return;
      found = document.createElement(element.matches("a") ? "span" : "a");
      found.className = "v-alert";
      if (found.matches("a")) found.append(Object.assign(document.createElement("i"), { className: "s" }));
      found.append(document.createElement("span"));
      if (wrong) { wrong.classList.remove("none"); wrong.prepend(found, " "); } else place.append(" ", found);
    }
    if (found.matches("a")) found.href = "/alerts/" + standing.alert;
    swapClass(found, "al-", standing.sign);
    found.classList.toggle("hushed", standing.quiet);
    const shape = found.querySelector(".s");
    if (shape) swapClass(shape, "s-", standing.sign);
    found.title = standing.words;
    text(found, "span", narrow ? standing.short : standing.words);
  }

  function text(element, selector, words) {
    const found = element.querySelector(selector);
    if (found && found.textContent !== words) found.textContent = words;
    return found;
  }

  function swapClass(element, prefix, name) {
    const old = [...element.classList].find((each) => each.startsWith(prefix));
    if (old === prefix + name) return;
    if (old) element.classList.remove(old);
    element.classList.add(prefix + name);
  }

  function sparkPath(levels) {
    let path = "", down = false;
    const first = SLOTS - levels.length;
    for (let slot = 0; slot < levels.length; slot++) {
      const level = LEVELS.indexOf(levels[slot]);
      if (level >= 0) {
        const x = (first + slot) * 2 + 1, y = 22 - Math.floor(level * 20 / 63);
        path += down ? `L${x} ${y}` : `M${x} ${y}h0`;
      }
      down = level >= 0;
    }
    return path;
  }

  function cellsPath(cells, kind) {
    const top = kind === "x" ? 0 : 4, height = 10 - top, first = SLOTS - cells.length;
    let path = "";
    for (let at = 0; at < cells.length;) {
      let end = at;
      while (end < cells.length && cells[end] === cells[at]) end++;
      if (cells[at] === kind) path += `M${first + at} ${top}h${end - at}v${height}h-${end - at}z`;
      at = end;
    }
    return path;
  }

  function span(seconds) {
    const two = (a, unitA, b, unitB) => b ? `${a} ${unitA} ${b} ${unitB}` : `${a} ${unitA}`;
    if (seconds >= 86400) return two(Math.floor(seconds / 86400), "d", Math.floor(seconds / 3600) % 24, "h");
    if (seconds >= 3600) return two(Math.floor(seconds / 3600), "h", Math.floor(seconds / 60) % 60, "min");
    if (seconds >= 60) return two(Math.floor(seconds / 60), "min", seconds % 60, "s");
    return seconds + " s";
  }

  function tickOne(age, now) {
    const words = span(Math.max(0, Math.floor((now - skew - age.dataset.since) / 1000)));
    if (age.textContent !== words) age.textContent = words;
  }

  function tick() {
    const now = Date.now();
    for (const age of document.querySelectorAll(".v-since")) tickOne(age, now);
    const live = document.getElementById("live");
    if (lastAt && now - lastAt > STALE_MS && live.className === "on") {
      live.className = "off";
      live.firstChild.textContent = "not live, last heard ";
    }
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { if (source) source.close(); source = null; } else later();
  });
  document.addEventListener("htmx:afterSettle", scan);
  document.addEventListener("htmx:configRequest", (event) => {
    event.detail.headers["X-Netmend-Token"] = document.querySelector("meta[name=netmend-token]").content;
    // What nobody clicked or typed for keeps no session alive.
    if (!event.detail.triggeringEvent) event.detail.headers["X-Netmend-Unasked"] = "yes";
    // A URL should name what was chosen, not every field that was left empty.
    const form = event.detail.formData;
    if (form) for (const [name, value] of [...form]) if (value === "") form.delete(name);
    // What is typed by the clock of who types is sent in UTC, as it is asked for.
    const typed = netmend.zone === "UTC" ? [] : event.detail.elt.querySelectorAll("input[type=datetime-local]");
    for (const field of typed) if (field.value) form.set(field.name, new Date(field.value).toISOString().slice(0, 16));
  });

  // What could not be done is said in the form that asked for it.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, requestConfig } = event.detail;
    if (requestConfig.verb === "get" || xhr.status < 400) return;
    event.detail.isError = false;
    event.detail.shouldSwap = (xhr.getResponseHeader("content-type") || "").startsWith("text/html");
    if (!event.detail.shouldSwap) {
      complain(requestConfig.elt, xhr.getResponseHeader("x-netmend-reload")
        ? "netmend was started again since this page was loaded: load it again, then repeat this."
        : "It could not be done: " + xhr.responseText.slice(0, 300));
    }
  });
  document.addEventListener("htmx:sendError", (event) => {
    if (event.detail.requestConfig.verb !== "get") complain(event.detail.requestConfig.elt, "netmend does not answer: it may be stopped.");
  });

  function complain(form, words) {
    const problem = form.querySelector(".problem");
    if (!problem) return;
    problem.hidden = false; problem.querySelector("span").textContent = words;
  }

  // A name is typed once on each machine.
  for (const field of document.querySelectorAll("[data-remember]")) {
    const name = "netmend-" + field.dataset.remember;
    try { field.value = localStorage.getItem(name) || ""; } catch { /* storage is off */ }
    field.addEventListener("change", () => { try { localStorage.setItem(name, field.value); } catch { /* storage is off */ } });
  }

  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async (event) => {
      event.preventDefault();
      const source = document.querySelector(button.dataset.copy);
      source.closest("details").open = true;
      getSelection().selectAllChildren(source);
      // Without TLS a browser may keep its clipboard to itself: then the text is selected at least.
      try { await navigator.clipboard.writeText(source.textContent); button.textContent = "Copied"; } catch { button.textContent = "Selected"; }
    });
  }

  // What the address names is open.
  const named = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  const closed = named && named.querySelector("details");
  if (closed) closed.open = true;

  setInterval(tick, 1000);
  scan();
})();
