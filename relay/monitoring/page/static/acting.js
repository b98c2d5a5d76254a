// Acts, each asked for in a dialog: who, why, and with the page's token.

import * as api from "./api.js";
import { by, el } from "./dom.js";

const dialog = by("act");
const form = by("act-form");
let pending = null;

const WORDS = { requeue: "Requeue", discard: "Discard for good", pause: "Pause", resume: "Resume" };
const DONE = {
  requeue: (told) => `${told.count} message(s) will be delivered again`,
  discard: (told) => `${told.count} message(s) discarded`,
  pause: () => "paused", resume: () => "resumed",
};

// A button that asks for an act. `about` says what it is about; `then` is called with what came of it, as text.
export function button(what, outbox, reader, selection, about, then, attributes = {}) {
  const kind = what === "discard" ? "danger small" : "small";
  return el("button", { type: "button", class: kind, ...attributes, onclick: () => ask(what, outbox, reader, selection, about, then) },
    attributes.said ?? WORDS[what].split(" ")[0]);
}

function ask(what, outbox, reader, selection, about, then) {
  pending = { what, outbox, reader, selection, then };
  by("act-title").textContent = `${WORDS[what]}: ${reader}`;
  by("act-about").textContent = about;
  by("act-said").textContent = "";
  by("act-do").textContent = WORDS[what];
  by("act-do").className = what === "discard" ? "danger" : "main";
  form.elements.reason.value = "";
  form.elements.token.closest("label").hidden = api.hasToken();
  form.elements.token.required = !api.hasToken();
  dialog.showModal();
  form.elements[form.elements.who.value ? "reason" : "who"].focus();
}

async function send(event) {
  event.preventDefault();
  const { what, outbox, reader, selection, then } = pending;
  const asked = { what, reader, selection, who: form.elements.who.value, reason: form.elements.reason.value };
  by("act-do").disabled = true;
  by("act-said").textContent = "";
  try {
    if (form.elements.token.value) api.keepToken(form.elements.token.value);
    const told = await api.act(outbox, asked);
    dialog.close();
    then([DONE[what](told), ...(told.refused ?? [])].join("; "));
  } catch (error) {
    if (error.code === 401) {
      api.keepToken("");
      form.elements.token.closest("label").hidden = false;
      form.elements.token.required = true;
    }
    by("act-said").textContent = error.message;
  } finally {
    form.elements.token.value = "";
    by("act-do").disabled = false;
  }
}

form.addEventListener("submit", send);
by("act-cancel").addEventListener("click", () => dialog.close());
