// Countdowns on the hub's clock. The hub's time comes with every message; between two it is counted on monotonically.

const FAR = 300_000; // ms by which a page was not behind but on another clock: a station believes no hub so far off
const WOKE = 5_000; // ms without a tick after which this machine has slept

let base = Number(document.body.dataset.now);
let heard = performance.now();
let shown = base;
let looked = heard;
let still = false;

/** The hub's time, ms UTC. It never runs backwards: where it was shown too far on, it goes at half speed until it is right. */
export function now() {
  const at = performance.now();
  const reckoned = base + (at - heard);
  if (reckoned >= shown || shown - reckoned > FAR) shown = reckoned;
  else shown += (at - looked) / 2;
  looked = at;
  return shown;
}

/** Takes the hub's time from a message just received. */
export function sync(hub) {
  base = hub;
  heard = performance.now();
}

/** While the source of a page is gone, what the page dates (data-ages) grows no older: nobody knows whether it does. */
export function stand(yes) {
  still = yes;
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
  for (const element of document.querySelectorAll("[data-age]")) {
    if (!still || !element.closest("[data-ages]")) put(element, span(at - Number(element.dataset.age)));
  }
}

/** Counts on, four times a second; `woke` is called when the machine or the tab has slept in between. */
export function start(woke = () => {}) {
  let last = Date.now();
  tick();
  setInterval(() => {
    // The wall clock, because the other one stands still while the machine sleeps. A correction of it costs one question.
    const gap = Math.abs(Date.now() - last);
    last = Date.now();
    tick();
    if (gap > WOKE) woke();
  }, 250);
}
