// Records of the log, the newest first; searched by id, seq, key and type.

import * as api from "./api.js";
import { by, el, table } from "./dom.js";
import { count, date } from "./format.js";

const form = by("records-form");
const found = by("records-found");
const HIDDEN = "Data and headers are shown to those who have the page's token, or on the relay's own machine.";
let asked = 0;

export function begin(outbox) {
  form.addEventListener("submit", (event) => { event.preventDefault(); search(outbox()); });
}

export async function search(outbox) {
  const turn = (asked += 1);
  const which = form.elements.which.value.trim();
  found.replaceChildren();
  by("records-said").textContent = "searching";
  try {
    if (which) await one(outbox, which);
    else await list(outbox, null, turn);
  } catch (error) {
    by("records-said").textContent = error.message;
  }
}

async function one(outbox, which) {
  const told = await api.get("record", { outbox, ...(/^[0-9]{1,19}$/.test(which) ? { seq: which } : { id: which }) });
  by("records-said").textContent = told.where?.said ?? "The log does not hold it.";
  if (told.record) found.replaceChildren(rows([told.record], outbox, "One record"));
}

async function list(outbox, before, turn) {
  const { key, type } = form.elements;
  const told = await api.get("records", { outbox, key: key.value, type: type.value, before });
  if (turn !== asked) return;
  found.querySelector(".more")?.remove();
  if (told.records.length) found.append(rows(told.records, outbox, before ? `Before seq ${count(before)}` : "The newest first"));
  const none = told.records.length || before ? "" : "No record matches. ";
  const far = told.next ? `Searched back to seq ${count(told.next)}.` : `Searched back to the oldest, seq ${count(told.oldest)}.`;
  by("records-said").textContent = `${none}${far}${told.hidden ? ` ${HIDDEN}` : ""}`;
  if (told.next) {
    const on = async () => { try { await list(outbox, told.next, turn); } catch (error) { by("records-said").textContent = error.message; } };
    found.append(el("p", { class: "more" }, el("button", { type: "button", onclick: on }, "Search further back")));
  }
}

function rows(records, outbox, caption) {
  return table(caption, [
    { title: "seq", kind: "n", cell: (row) => el("button", { type: "button", class: "link", "aria-label": `record ${row.seq}`, onclick: () => open(outbox, row.seq) }, count(row.seq)) },
    { title: "created", kind: "nb", cell: (row) => date(row.created) },
    { title: "type", kind: "m t", cell: (row) => text(row.type) },
    { title: "key", kind: "m", cell: (row) => text(row.key) },
    { title: "id", kind: "m nb", cell: (row) => row.id },
    { title: "data", kind: "m w", cell: (row) => (row.data === undefined ? "" : row.data + (row.cut ? " …" : "")) },
  ], records);
}

async function open(outbox, seq) {
  try {
    const told = await api.get("record", { outbox, seq });
    if (told.record) detail(`Record ${count(seq)}`, told.record, told.where?.said);
    else by("records-said").textContent = `Seq ${seq} has been rolled over.`;
  } catch (error) {
    by("records-said").textContent = error.message;
  }
}

const LONG = ["data", "headers", "cut"];

// Shows a record or a letter whole.
export function detail(title, record, said) {
  const facts = Object.entries(record).filter(([name]) => !LONG.includes(name));
  by("detail-title").textContent = title;
  by("detail-body").replaceChildren(...[
    said ? el("p", {}, said) : null,
    el("dl", {}, facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, text(value))])),
    ...part("headers", record.headers && Object.keys(record.headers).length ? JSON.stringify(record.headers, null, 2) : null),
    ...(record.data === undefined ? [el("p", { class: "quiet" }, HIDDEN)] : part("data", pretty(record))),
  ].filter(Boolean));
  by("detail").showModal();
}

const part = (name, shown) => (shown === null ? [] : [el("h3", {}, name), el("pre", { tabindex: "0", "aria-label": name }, shown)]);

export const text = (value) => (value === null || value === undefined ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value));

function pretty(record) {
  if (record.cut) return `${record.data} …`;
  try {
    return JSON.stringify(JSON.parse(record.data), null, 2);
  } catch {
    return record.data;
  }
}
