// The tab's one WebSocket. It carries hints; the page then fetches itself. What is on the screen is dated while it is old.

import { now, stand, sync, tick, utc } from "./clock.js";
import { refresh } from "./swap.js";
import { alarm } from "./alarm.js";

const SILENCE = 25_000; // ms without a beat after which the station counts as lost (a beat comes every 10 s)
const PATIENCE = 1_000; // ms before a lost station is shown: a reload of the station takes less

const GONE = {
  offline: "The line is cut. What you write is kept and sent later.",
  quiet: "The hub has not been heard for a while. What you write is kept and sent when it is.",
};

let source = "station"; // or "hub": who serves this page
let socket = null;
let wait = 500;
let beat = performance.now();
let lostAt = null;
let known = null; // the newest entry shown before the line was cut; null while it is up
let busy = false;
let again = false;

const banner = document.getElementById("page-line");
const announce = document.getElementById("announce");
const line = () => document.getElementById("line")?.dataset.state;
const newest = () => Math.max(0, ...[...document.querySelectorAll("#log .entry")].map((entry) => Number(entry.dataset.seq)));

function say(text) {
  if (announce) announce.textContent = text;
}

async function look() {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  const before = line();
  const had = newest();
  try {
    if (!(await refresh())) return leave();
    follow(before, had);
  } catch {
    // The next hint or beat tries again; until then the banner below says that the page is old.
    lost();
  } finally {
    busy = false;
    if (again) {
      again = false;
      look();
    }
  }
}

/** Says that the line is cut, or back with what came meanwhile: not before the hub has handed all of it over. */
function follow(before, had) {
  const after = line();
  if (!after) return;
  if (after !== "live") {
    known ??= had;
    if (before !== after) say(GONE[after] ?? "The line is reconnecting.");
  } else if (known !== null && document.getElementById("line").dataset.caught === "yes") {
    const came = [...document.querySelectorAll("#log .theirs")].filter((entry) => Number(entry.dataset.seq) > known).length;
    const words = ` ${came || "No"} ${came === 1 ? "message" : "messages"} caught up.`;
    say(`Back on the line ${utc(now())}.${document.getElementById("log") ? words : ""}`);
    known = null;
  }
}

function leave() {
  if (document.body.dataset.unsaved === "yes") {
    // Words that the station does not have yet must not go with the page.
    banner.textContent = "✕ You are logged out and what you typed is not kept yet. Copy it, then reload this page to log in again.";
    banner.hidden = false;
    return;
  }
  location.assign(`${document.body.dataset.login}?ended=${source}`); // login.js says why
}

function lost() {
  lostAt ??= now();
  setTimeout(() => {
    if (lostAt === null) return;
    document.body.classList.add("stale");
    const typed = source === "station" ? " What you type stays here." : "";
    banner.textContent = `✕ This page lost its ${source} at ${utc(lostAt)} and is trying again. What you see is from then.${typed}`;
    stand(true);
    banner.hidden = false;
  }, PATIENCE);
}

function found() {
  if (lostAt === null) return;
  const shownLost = !banner.hidden;
  lostAt = null;
  stand(false);
  document.body.classList.remove("stale");
  banner.hidden = true;
  if (shownLost) say(`This page has its ${source} again since ${utc(now())}.`);
  look();
}

function connect() {
  const address = new URL(document.body.dataset.live, location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(address);
  socket.onopen = () => {
    wait = 500;
    beat = performance.now();
    document.body.dataset.connected = "yes";
    // What changed between the page's making and this moment was told to nobody.
    if (lostAt === null) look();
    else found();
  };
  socket.onmessage = (event) => {
    const hint = JSON.parse(event.data);
    beat = performance.now();
    sync(hint.now);
    if ("changed" in hint) {
      if (hint.alarm) alarm();
      look();
    }
  };
  socket.onclose = (event) => {
    socket = null;
    if (event.code === 4401) return leave();
    lost();
    // A source that was started anew knows no session: only an ordinary request finds that out.
    look();
    setTimeout(connect, wait * (0.75 + Math.random() / 2));
    wait = Math.min(wait * 2, 5_000);
  };
}

/** After a sleep: ask for the time and look again before anybody reads old digits. */
export function wake() {
  tick();
  if (socket?.readyState === WebSocket.OPEN) socket.send("time");
  if (!document.hidden) look();
}

export function start(of = source) {
  source = of;
  if (line() !== "live") known = newest();
  connect();
  setInterval(() => {
    if (socket && performance.now() - beat > SILENCE) socket.close();
  }, 2_000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) wake(); // timers of a hidden tab sleep
  });
}
