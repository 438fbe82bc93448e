// Countdowns on the hub's clock. The hub's time comes with every message; between two it is counted on monotonically.

const HOLD = 10_000; // ms the hub's clock may turn out slower before digits are corrected instead of held

let base = Number(document.body.dataset.now);
let heard = performance.now();
let shown = base;

/** The hub's time, ms UTC. It never runs backwards; a small correction is waited out. */
export function now() {
  const reckoned = base + (performance.now() - heard);
  if (reckoned > shown || shown - reckoned > HOLD) shown = reckoned;
  return shown;
}

/** Takes the hub's time from a message just received. */
export function sync(hub) {
  base = hub;
  heard = performance.now();
}

export function digits(ms) {
  const s = Math.floor(Math.abs(ms) / 1000);
  const two = (n) => String(n).padStart(2, "0");
  return `${ms < 0 ? "-" : ""}${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

export function span(ms) {
  let s = Math.floor(Math.max(0, ms) / 1000);
  const parts = [];
  for (const [size, word] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
    const n = Math.floor(s / size);
    s %= size;
    if (n) parts.push(`${n} ${word}`);
  }
  return parts.slice(0, 2).join(" ") || "0 s";
}

export function utc(ms) {
  return new Date(ms).toISOString().slice(11, 19) + "Z";
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function tick() {
  const at = now();
  for (const element of document.querySelectorAll("[data-countdown]")) {
    const left = Number(element.dataset.countdown) - at;
    put(element, digits(left));
    element.classList.toggle("over", left < 0);
  }
  for (const element of document.querySelectorAll("[data-age]")) put(element, span(at - Number(element.dataset.age)));
}

export function start() {
  tick();
  setInterval(tick, 250);
}
