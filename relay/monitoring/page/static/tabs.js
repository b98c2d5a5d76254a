// The tabs below the charts, as the ARIA practices have them: arrows move, Home and End go to the ends.

import { by } from "./dom.js";

const tabs = [...document.querySelectorAll("[role=tab]")];
const onShow = {};

export const whenShown = (panel, call) => { onShow[panel] = call; };
export const shown = () => tabs.find((tab) => tab.getAttribute("aria-selected") === "true").getAttribute("aria-controls");

export function show(panel) {
  for (const tab of tabs) {
    const is = tab.getAttribute("aria-controls") === panel;
    tab.setAttribute("aria-selected", String(is));
    tab.tabIndex = is ? 0 : -1;
    by(tab.getAttribute("aria-controls")).hidden = !is;
  }
  history.replaceState(null, "", `#${panel}`);
  onShow[panel]?.();
}

export function begin() {
  for (const [at, tab] of tabs.entries()) {
    tab.addEventListener("click", () => show(tab.getAttribute("aria-controls")));
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const next = tabs.at(to % tabs.length);
      show(next.getAttribute("aria-controls"));
      next.focus();
    });
  }
  const asked = location.hash.slice(1);
  if (tabs.some((tab) => tab.getAttribute("aria-controls") === asked)) show(asked);
}
