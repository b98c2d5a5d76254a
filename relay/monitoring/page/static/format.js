// Numbers and times as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
const SPANS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

export const NONE = "–";

export const count = (value) => (value === null || value === undefined ? NONE : whole.format(value));

export function rate(value) {
  if (value === undefined || value === null) return NONE;
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)} M`;
  if (value >= 1e4) return `${(value / 1e3).toPrecision(3)} k`;
  return value >= 100 || value === 0 ? whole.format(value) : value.toPrecision(2);
}

export function seconds(value) {
  if (value === undefined || value === null) return NONE;
  if (value === 0) return "0 s";
  if (value < 0.9995) return `${Number((value * 1000).toPrecision(2))} ms`;
  if (value < 10) return `${Number(value.toPrecision(2))} s`;
  const [unit, length] = SPANS.find(([, each]) => value >= 2 * each) ?? SPANS.at(-1);
  return `${whole.format(value / length)} ${unit}`;
}

export function bytes(value) {
  let at = 0;
  while (value >= 999.5 && at < UNITS.length - 1) { value /= 1024; at += 1; }
  return `${Number(value.toPrecision(3))} ${UNITS[at]}`;
}

export const percent = (share) => (share === undefined || share === null ? NONE : `${Math.floor(share * 100)} %`);

export const time = (epoch) => new Date(epoch * 1000).toLocaleTimeString("en-GB");

// A date of the server's, in the time of who looks.
export function date(text) {
  if (!text) return NONE;
  const parsed = new Date(text);
  if (Number.isNaN(parsed.getTime())) return text;
  const two = (value) => String(value).padStart(2, "0");
  const day = `${parsed.getFullYear()}-${two(parsed.getMonth() + 1)}-${two(parsed.getDate())}`;
  return `${day} ${two(parsed.getHours())}:${two(parsed.getMinutes())}:${two(parsed.getSeconds())}`;
}
