// The page: follows the relay's one stream of what it sees, and shows it.

import * as api from "./api.js";
import { Charts, together } from "./charts.js";
import { by, el, replace, table } from "./dom.js";
import { bytes, count, date, percent, rate, seconds, time } from "./format.js";
import * as letters from "./letters.js";
import { showLeases, showReaders } from "./readers.js";
import * as records from "./records.js";
import * as tabs from "./tabs.js";

const AWAY_SECONDS = 15;
const REFRESH = { "15m": 60, "1h": 120, "24h": 120 };

const charts = new Charts();
let last = null; // what was seen last, whole
let heard = 0;
let columns = { at: [] };
let loaded = 0;

const outbox = () => by("outbox").dataset.value ?? by("outbox").value;
const range = () => document.querySelector("input[name=range]:checked").value;
const current = () => last?.outboxes.find((each) => each.name === outbox()) ?? last?.outboxes[0];

async function loadHistory() {
  try {
    columns = await api.get("history", { outbox: outbox(), range: range() });
    loaded = Date.now() / 1000;
    draw();
  } catch (error) {
    live("away", error.message);
  }
}

function draw() {
  const relays = current()?.relays.map((relay) => relay.id) ?? [];
  charts.show(together(columns, relays), range(), last?.at ?? Date.now() / 1000);
}

// Takes the newest point into the charts; a day's are asked for, now and then.
function append(point) {
  if (range() === "24h" || point.at === undefined || columns.at.at(-1) >= point.at) return;
  for (const name of Object.keys(point)) columns[name] ??= columns.at.map(() => null);
  for (const [name, line] of Object.entries(columns)) line.push(point[name] ?? null);
}

function onSeen(event) {
  last = JSON.parse(event.data);
  heard = Date.now() / 1000;
  live("live", `live, ${time(last.at)}`);
  const now = current();
  if (!now) return;
  append(now.point);
  if (heard - loaded > REFRESH[range()]) loadHistory();
  else draw();
  show(now);
}

function show(now) {
  by("relays").textContent = now.relays.map((relay) => `${relay.id}: ${relay.state}`).join(", ");
  showNotices(now);
  if (!now.seen) return;
  showTiles(now);
  letters.offer(now.seen.readers);
  by("letters-count").textContent = now.seen.dead + now.seen.parked ? `(${count(now.seen.dead + now.seen.parked)})` : "";
  if (tabs.shown() === "readers") drawReaders();
  if (tabs.shown() === "leases") showLeases(now.seen);
}

const drawReaders = () => { if (current()?.seen) showReaders(outbox(), current().seen, openLetters, drawReaders); };

function openLetters(reader) {
  letters.of(reader);
  tabs.show("letters");
  by("tab-letters").focus();
}

let noticed = "";

function showNotices(now) {
  const away = now.error
    ? [{ level: "bad", what: `MongoDB does not answer in time: ${now.error}.`, do: now.seen ? `What is shown is of ${time(now.seen.at)}. It is asked again and again.` : "It is asked again and again." }]
    : [];
  const unready = last.unready.filter((why) => !(now.error && why.includes("MongoDB does not answer")))
    .map((what) => ({ level: "bad", what, do: "Not ready; it goes on by itself once that is over." }));
  const all = [...away, ...unready, ...now.notices];
  const text = JSON.stringify(all);
  if (text === noticed) return; // or it would be read out each time
  noticed = text;
  const items = all.map((each) => el("li", { class: "notice", "data-level": each.level },
    el("b", {}, each.level === "bad" ? "Trouble: " : "Attention: "), el("span", {}, each.what), " ", el("span", { class: "do" }, each.do)));
  replace(by("notices"), items.length ? items : el("li", { class: "notice", "data-level": "good" }, "Nothing needs attention."));
}

function showTiles(now) {
  const { seen, point } = now;
  const relays = now.relays.map((relay) => relay.id);
  const all = together({ at: [point.at ?? 0], ...Object.fromEntries(Object.entries(point).map(([name, value]) => [name, [value]])) }, relays);
  const of = (name) => all[name]?.[0] ?? undefined;
  const worst = seen.readers.reduce((most, each) => (each.lag > (most?.lag ?? -1) ? each : most), null);
  const left = seen.readers.length ? Math.min(...seen.readers.map((each) => each.headroom ?? 1)) : undefined;
  const waits = seen.readers.length ? Math.max(...seen.readers.map((each) => each.waits)) : undefined;
  const age = seen.staging_seconds;
  const tile = (title, value, small = "", level = "") => el("div", { "data-level": level }, el("dt", {}, title), el("dd", {}, value, small ? el("small", {}, ` ${small}`) : null));
  replace(by("tiles"), [
    tile("put", rate(of("put")), "/s"),
    tile("sequenced", rate(of("sequenced")), "/s"),
    tile("delivered", rate(of("delivered")), "/s"),
    tile("behind", count(worst?.lag), waits ? seconds(waits) : "", waits >= 60 ? "bad" : waits >= 5 ? "warn" : ""),
    tile("in staging", count(seen.staging), age === null ? "" : seconds(age), age >= 10 ? "bad" : ""),
    tile("headroom", percent(left), `of ${bytes(seen.capacity)}`, left <= 0 ? "bad" : left < 0.2 ? "warn" : ""),
    tile("latency p95", seconds(of("p95")), of("p99") === undefined ? "" : `p99 ${seconds(of("p99"))}`),
    tile("dead", count(seen.dead), seen.parked ? `+ ${count(seen.parked)} parked` : "", seen.dead ? "warn" : ""),
  ]);
}

async function loadActs() {
  try {
    const { acts } = await api.get("acts", { outbox: outbox() });
    const which = (row) => (row.selection === null || row.selection === undefined ? "" : Object.entries(row.selection).map(([name, value]) => `${name} ${Array.isArray(value) ? `${value.length} letters` : value}`).join(", ") || "all");
    const outcome = (row) => row.error ?? (row.ended ? count(row.count) : "not ended");
    replace(by("acts"), acts.length === 0 ? el("p", { class: "quiet" }, "Nobody has acted yet.") : table("Done by hand, the newest first", [
      { title: "when", kind: "nb", cell: (row) => date(row.when) },
      { title: "who", cell: (row) => row.who },
      { title: "what", cell: (row) => row.what },
      { title: "reader", kind: "m", cell: (row) => row.reader },
      { title: "which", kind: "m", cell: which },
      { title: "count", kind: "n", cell: outcome },
      { title: "reason", kind: "w", cell: (row) => row.reason ?? "" },
      { title: "through", cell: (row) => row.through },
    ], acts));
  } catch (error) {
    replace(by("acts"), el("p", {}, error.message));
  }
}

function live(state, text) {
  by("live").dataset.state = state;
  if (by("live").textContent !== text) by("live").textContent = text;
}

function follow() {
  const stream = new EventSource("/page/events");
  stream.addEventListener("seen", onSeen);
  stream.addEventListener("full", (event) => { live("away", JSON.parse(event.data)); });
  setInterval(() => {
    if (heard && Date.now() / 1000 - heard > AWAY_SECONDS) live("away", `no word since ${time(heard)}`);
  }, 1000);
}

function chooseOutbox() {
  noticed = "";
  for (const panel of ["records-found", "letters-found"]) by(panel).replaceChildren();
  loadHistory();
  if (current()) show(current());
  tabs.show(tabs.shown());
}

tabs.whenShown("readers", () => drawReaders());
tabs.whenShown("leases", () => current()?.seen && showLeases(current().seen));
tabs.whenShown("records", () => records.search(outbox()));
tabs.whenShown("letters", () => letters.first());
tabs.whenShown("acts", () => loadActs());
records.begin(outbox);
letters.begin(outbox);
for (const each of document.querySelectorAll("input[name=range]")) each.addEventListener("change", loadHistory);
if (by("outbox").dataset.value === undefined) by("outbox").addEventListener("change", chooseOutbox);
tabs.begin();
loadHistory();
follow();
