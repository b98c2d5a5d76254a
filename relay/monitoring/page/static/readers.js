// The durable readers with their shares, and the leases.

import { button } from "./acting.js";
import { canAct } from "./api.js";
import { by, el, replace, table } from "./dom.js";
import { NONE, count, date, percent, seconds } from "./format.js";

const opened = new Set(); // the readers whose shares are shown
let said = "";

export function showReaders(outbox, seen, onLetters, again) {
  const told = el("p", { class: "quiet", role: "status" }, said);
  if (seen.readers.length === 0) {
    replace(by("readers"), el("p", { class: "quiet" }, "No durable reader, such as a relay, has started yet."));
    return;
  }
  const rows = seen.readers.flatMap((reader) => [reader, ...(opened.has(reader.id) ? reader.of_shares.map((share) => ({ share })) : [])]);
  const of = (cell, ofShare = () => "") => (row) => (row.share ? ofShare(row.share) : cell(row));
  const columns = [
    { title: "reader", kind: "m", cell: of((row) => row.id, (share) => `share ${share.share}`) },
    { title: "state", kind: "nb", cell: of(state, (share) => (share.holder ? "works" : "nobody")) },
    { title: "acknowledged", kind: "n", cell: of((row) => count(row.position), (share) => count(share.position)) },
    { title: "behind", kind: "n", cell: of((row) => count(row.lag), (share) => count(share.lag)) },
    { title: "waits", kind: "n", cell: of((row) => (row.lag ? seconds(row.waits) : NONE)) },
    { title: "headroom", kind: "n", cell: of(headroom) },
    { title: "shares", kind: "n", cell: of((row) => shares(row, again)) },
    { title: "put aside", kind: "n", cell: of((row) => letters(row, onLetters)) },
    { title: "holder", kind: "m", cell: of((row) => row.holder ?? "nobody", (share) => share.holder ?? "nobody") },
  ];
  if (canAct) columns.push({ title: "act", head: el("span", { class: "unseen" }, "act"), cell: of((row) => acts(outbox, row, again)) });
  const caption = `${count(seen.readers.length)} durable reader(s); the log holds seq ${count(seen.oldest)} to ${count(seen.head)}`;
  replace(by("readers"), told, table(caption, columns, rows, (row) => (row.share ? { class: "share" } : {})));
}

function state(reader) {
  if (reader.fault) return el("span", { class: "v", "data-level": "bad", title: reader.fault }, "damaged");
  if (reader.paused) return el("span", { class: "v", "data-level": "warn" }, "paused");
  if (reader.holder === null) return el("span", { class: "v", "data-level": reader.lag ? "warn" : "" }, "nobody works");
  return el("span", { class: "v", "data-level": "good" }, reader.lag ? "works" : "caught up");
}

function headroom(reader) {
  const left = reader.headroom;
  const level = left === null ? "" : left <= 0 ? "bad" : left < 0.2 ? "warn" : "";
  const when = left < 0.2 && reader.headroom_seconds ? `, ${seconds(reader.headroom_seconds)}` : "";
  return el("span", { class: "v", "data-level": level }, percent(left) + when);
}

function shares(reader, again) {
  if (reader.shares === 1) return "1";
  const is = opened.has(reader.id);
  const turn = () => { opened[is ? "delete" : "add"](reader.id); again(); };
  return el("button", { type: "button", class: "link", "aria-expanded": String(is), "data-focus": `shares ${reader.id}`, onclick: turn },
    `${reader.shares} shares`);
}

function letters(reader, onLetters) {
  if (!reader.dead_letters && !reader.parked) return "0";
  const parked = reader.parked ? ` + ${count(reader.parked)} parked` : "";
  return el("button", { type: "button", class: "link v", "data-level": "warn", "data-focus": `letters ${reader.id}`, onclick: () => onLetters(reader.id) },
    `${count(reader.dead_letters)} dead${parked}`);
}

function acts(outbox, reader, again) {
  const then = (told) => { said = `${reader.id}: ${told}`; again(); };
  const what = reader.paused ? "resume" : "pause";
  const about = reader.paused
    ? "It goes on at the next beat of its lease."
    : "It delivers nothing until it is resumed, and holds the log all the same.";
  return button(what, outbox, reader.id, undefined, about, then, { "data-focus": `act ${reader.id}`, "aria-label": `${what} ${reader.id}` });
}

export function showLeases(seen) {
  const columns = [
    { title: "role", kind: "m", cell: (row) => row.role },
    { title: "holder", kind: "m", cell: (row) => row.holder ?? "nobody" },
    { title: "fence", kind: "n", cell: (row) => count(row.fence) },
    { title: "lease time", kind: "n", cell: (row) => (row.seconds ? seconds(row.seconds) : NONE) },
    { title: "taken", kind: "nb", cell: (row) => date(row.renewed) },
    { title: "stopped with", kind: "w", cell: (row) => row.stopped?.why ?? "" },
  ];
  replace(by("leases"), table("Who holds which role; the fence counts how often it was taken", columns, seen.leases));
}
