// Applies the chosen theme before the first paint and runs the toggle; without a choice the system's preference
// holds. Says in which time zone moments are shown, and writes them in it. Must not touch anything but the root
// element, the two buttons and moments.
"use strict";
(() => {
  const root = document.documentElement;
  const remember = (key, value) => { try { localStorage.setItem("netmend-" + key, value); } catch { /* storage is off */ } };
  const recall = (key) => { try { return localStorage.getItem("netmend-" + key); } catch { return null; } };
  const saved = recall("theme");
  if (saved === "light" || saved === "dark") root.dataset.theme = saved;

  const own = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const isUtc = (zone) => /^(Etc\/)?(UTC|UCT|GMT|Zulu|Universal)$/.test(zone);
  const zone = recall("zone") === "UTC" || isUtc(own) ? "UTC" : own;
  // Swedes write dates as ISO 8601 does.
  const form = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  const utc = (at) => new Date(at).toISOString().slice(0, 19).replace("T", " ") + " UTC";
  const stamp = (at) => form.format(new Date(at));

  // Puts a moment into an element; `at` in milliseconds.
  function put(time, at, zoned) {
    time.dateTime = new Date(at).toISOString();
    time.textContent = stamp(at) + (zoned && zone === "UTC" ? " UTC" : "");
    if (zone !== "UTC") { time.title = utc(at); time.dataset.own = "yes"; }
  }

  // Pages come in UTC: what has come is put into the reader's zone.
  function localise() {
    if (zone === "UTC") return;
    for (const time of document.querySelectorAll("time[datetime]:not([data-own])")) put(time, Date.parse(time.dateTime));
    for (const word of document.querySelectorAll(".zone")) { word.textContent = "local time"; word.title = zone + "; UTC is shown where the mouse points"; }
  }

  // The words below an axis of time, with the date where a day begins; all in seconds.
  const ticks = (all, step) => all.map((tick) => {
    const words = stamp(tick * 1000);
    if (step >= 86400 || words.endsWith(" 00:00:00")) return words.slice(5, 10);
    return step >= 60 ? words.slice(11, 16) : words.slice(11);
  });

  window.netmend = { zone, stamp, ticks, put };
  addEventListener("DOMContentLoaded", () => {
    localise();
    document.addEventListener("htmx:afterSwap", localise);
    const times = document.getElementById("zone");
    if (times && !isUtc(own)) {
      times.hidden = false;
      times.textContent = zone === "UTC" ? "Times: UTC" : "Times: " + zone;
      times.addEventListener("click", () => { remember("zone", zone === "UTC" ? "own" : "UTC"); location.reload(); });
    }
    const button = document.getElementById("theme");
    if (!button) return;
    button.hidden = false;
    button.addEventListener("click", () => {
      const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
      root.dataset.theme = (root.dataset.theme || system) === "dark" ? "light" : "dark";
      remember("theme", root.dataset.theme);
      dispatchEvent(new Event("netmend:theme"));
    });
  });
})();
