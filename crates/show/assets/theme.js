// Applies the chosen theme before the first paint and runs the toggle. Without a choice the system's
// preference holds. Must not touch anything but the root element and the button.
"use strict";
(() => {
  const root = document.documentElement;
  const key = "netmend-theme";
  const remember = (theme) => { try { localStorage.setItem(key, theme); } catch { /* storage is off */ } };
  const recall = () => { try { return localStorage.getItem(key); } catch { return null; } };
  const saved = recall();
  if (saved === "light" || saved === "dark") root.dataset.theme = saved;
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    if (!button) return;
    button.hidden = false;
    button.addEventListener("click", () => {
      const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
      root.dataset.theme = (root.dataset.theme || system) === "dark" ? "light" : "dark";
      remember(root.dataset.theme);
      dispatchEvent(new Event("netmend:theme"));
    });
  });
})();
