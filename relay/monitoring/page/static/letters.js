// Dead letters, a hundred at a time, and what is done to those that are selected, or to all that match.

import { button } from "./acting.js";
import * as api from "./api.js";
import { by, el, replace, table } from "./dom.js";
import { count, date } from "./format.js";
import { detail, text } from "./records.js";

const form = by("letters-form");
const SEQUENCER = "sequencer";
let outboxNow = () => "";
let after = [null]; // the places of the pages that were turned
let selected = new Set();
let said = "";
let turn = 0;

export function begin(outbox) {
  outboxNow = outbox;
  form.addEventListener("submit", (event) => { event.preventDefault(); first(); });
}

// Offers the readers that there are, and keeps the one that was chosen.
export function offer(readers) {
  const names = readers.map((reader) => reader.id);
  const { reader } = form.elements;
  if ([...reader.options].map((option) => option.value).join() === names.join()) return;
  const chosen = reader.value;
  const most = readers.reduce((best, each) => (each.dead_letters > (best?.dead_letters ?? 0) ? each : best), null);
  reader.replaceChildren(...names.map((name) => el("option", {}, name)));
  reader.value = names.includes(chosen) ? chosen : (most?.id ?? names[0] ?? "");
}

export function of(reader) {
  form.elements.reader.value = reader;
  for (const name of ["state", "id", "key", "type"]) form.elements[name].value = "";
  said = "";
}

export function first() {
  after = [null];
  selected = new Set();
  return load();
}

async function load() {
  const mine = (turn += 1);
  const { reader, state, id, key, type } = form.elements;
  if (!reader.value) {
    by("letters-said").textContent = "No durable reader has started yet.";
    return;
  }
  const asked = { outbox: outboxNow(), reader: reader.value, state: state.value, id: id.value.trim(), key: key.value, type: type.value };
  try {
    const told = await api.get("letters", { ...asked, after: after.at(-1) });
    if (mine !== turn) return; // something else was asked for meanwhile
    by("letters-said").textContent = `${said ? `${said}. ` : ""}${count(told.count)} letter(s) match.`;
    show(told, asked);
  } catch (error) {
    by("letters-said").textContent = error.message;
  }
}

function show(told, asked) {
  const columns = [
    { title: "seq", kind: "n", cell: (row) => el("button", { type: "button", class: "link", "aria-label": `letter ${row.id}`, onclick: () => open(asked, row.id) }, row.seq === null ? "none" : count(row.seq)) },
    { title: "state", kind: "nb", cell: (row) => row.state + (row.requeued ? ", requeued" : "") },
    { title: "type", kind: "m t", cell: (row) => text(row.type) },
    { title: "key", kind: "m", cell: (row) => text(row.key) },
    { title: "reason", kind: "w", cell: (row) => text(row.error?.reason) },
    { title: "tries", kind: "n", cell: (row) => count(row.attempts) },
    { title: "last", kind: "nb", cell: (row) => date(row.last) },
    { title: "id", kind: "m nb", cell: (row) => row.id + (row.reader === SEQUENCER ? " (the log)" : "") },
  ];
  if (api.canAct) columns.unshift({ title: "select", head: all(told, asked), cell: (row) => box(row, told, asked) });
  const from = (after.length - 1) * 100;
  const caption = told.letters.length ? `${count(from + 1)} to ${count(from + told.letters.length)} of ${count(told.count)}, the latest put first` : "No letters";
  replace(by("letters-found"), told.letters.length ? table(caption, columns, told.letters) : null, turns(told));
  bar(told, asked);
}

function all(told, asked) {
  const choose = (event) => {
    for (const row of told.letters) selected[event.target.checked ? "add" : "delete"](row.id);
    show(told, asked);
  };
  const is = told.letters.length > 0 && told.letters.every((row) => selected.has(row.id));
  return el("input", { type: "checkbox", "aria-label": "select all on this page", checked: is, "data-focus": "all", onchange: choose });
}

function box(row, told, asked) {
  const choose = (event) => {
    selected[event.target.checked ? "add" : "delete"](row.id);
    show(told, asked);
  };
  return el("input", { type: "checkbox", "aria-label": `select ${row.id}`, checked: selected.has(row.id), "data-focus": row.id, onchange: choose });
}

function turns(told) {
  const go = (to) => () => { to(); load(); };
  return el("p", { class: "more" },
    el("button", { type: "button", disabled: after.length === 1, "data-focus": "back", onclick: go(() => after.pop()) }, "Later"),
    el("button", { type: "button", disabled: told.next === null, "data-focus": "on", onclick: go(() => after.push(told.next)) }, "Earlier"));
}

// What can be done to those that are selected; without any, to all that match. An act goes by id, key and type.
function bar(told, asked) {
  const room = by("letters-acts");
  room.hidden = !api.canAct || told.count === 0;
  if (room.hidden) return;
  const ids = [...selected];
  const whole = { ...(asked.key ? { key: asked.key } : {}), ...(asked.type ? { type: asked.type } : {}) };
  const bulk = asked.state || asked.id ? null : Object.keys(whole).length ? whole : { all: true };
  const selection = ids.length ? { ids } : bulk;
  const what = ids.length ? `${count(ids.length)} selected` : bulk ? `all ${count(told.count)}` : "nothing selected";
  const then = (result) => { said = result; selected = new Set(); first(); };
  const about = (end) => `${what} letter(s) of ${asked.reader}${bulk === whole && !ids.length ? ` with ${Object.entries(whole).map((each) => each.join(" ")).join(", ")}` : ""}. ${end}`;
  const acts = [
    ["requeue", "A parked key is delivered as a whole, in its order."],
    ["discard", "They are deleted for good; what is parked behind them is delivered."],
  ].map(([act, end]) => button(act, asked.outbox, asked.reader, selection, about(end), then,
    { disabled: selection === null, "data-focus": act, said: `${act === "requeue" ? "Requeue" : "Discard"} ${what}` }));
  replace(room, acts);
}

async function open(asked, id) {
  try {
    const { letter } = await api.get("letter", { outbox: asked.outbox, reader: asked.reader, id });
    detail(`Letter ${id}`, letter);
  } catch (error) {
    by("letters-said").textContent = error.message;
  }
}
