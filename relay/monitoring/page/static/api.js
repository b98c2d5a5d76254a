// Asks the relay. The token is in this page's memory alone.

let token = "";
const csrf = document.querySelector("meta[name=csrf]").content;
export const canAct = document.querySelector("meta[name=can-act]").content === "yes";

export const keepToken = (given) => { token = given; };
export const hasToken = () => token !== "";

export async function get(path, asked = {}) {
  const given = Object.entries(asked).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return answer(await fetch(`/page/${path}?${new URLSearchParams(given)}`, { headers: authorization() }));
}

export async function act(outbox, asked) {
  return answer(await fetch(`/page/acts?${new URLSearchParams({ outbox })}`, {
    method: "POST",
    headers: { ...authorization(), "Content-Type": "application/json", "X-CSRF-Token": csrf },
    body: JSON.stringify(asked),
  }));
}

const authorization = () => (token ? { Authorization: `Bearer ${token}` } : {});

async function answer(response) {
  const told = await response.json().catch(() => ({ detail: `HTTP ${response.status}` }));
  if (!response.ok) throw Object.assign(new Error(told.detail), { code: response.status, error: told.error });
  return told;
}
